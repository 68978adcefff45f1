"""Reads the documentation's tables: one row per thing, the thing's name as code in the first column."""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
REFERENCE = REPOSITORY / "docs" / "reference"
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table.

    Args:
        name: The first code span of the first column; empty where it has none.
        cells: Text by column title.
    """

    name: str
    cells: dict[str, str]


def read_table(path: Path, heading: str) -> list[Row]:
    """Return the first table below a heading.

    Args:
        path: A Markdown file.
        heading: Text of the heading, without its `#`.

    Raises:
        LookupError: The page has no such heading, or no table below it.
    """
    lines = _section(path, heading)
    table = [line for line in lines if line.startswith("|")]
    if len(table) < 2:
        raise LookupError(f"{path.name}: no table below the heading {heading!r}")
    titles = _cells(table[0])
    return [_row(titles, _cells(line)) for line in table[2:]]


def headings(path: Path) -> list[str]:
    """Return the texts of a page's headings, in order."""
    return [line.lstrip("#").strip() for line in _prose_lines(path) if re.match(r"#{1,6} ", line)]


def anchor_of(heading: str) -> str:
    """Return a heading's anchor, as code hosts make it."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def markdown_files() -> list[Path]:
    """Return the repository's own Markdown pages."""
    folders = [REPOSITORY / "docs", REPOSITORY / "bench"]
    below = [page for folder in folders for page in folder.rglob("*.md")]
    return sorted([*REPOSITORY.glob("*.md"), *below])


def _section(path: Path, heading: str) -> list[str]:
    lines = path.read_text("utf-8").splitlines()
    starts = [index for index, line in enumerate(lines) if re.fullmatch(rf"#{{1,6}} {re.escape(heading)}", line)]
    if not starts:
        raise LookupError(f"{path.name}: no heading {heading!r}")
    below = lines[starts[0] + 1 :]
    ends = [index for index, line in enumerate(below) if re.match(r"#{1,6} ", line)]
    return below[: ends[0]] if ends else below


def _prose_lines(path: Path) -> list[str]:
    """Return the lines outside of fenced code."""
    kept, fenced = [], False
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            kept.append(line)
    return kept


def _cells(line: str) -> list[str]:
    return [cell.replace(r"\|", "|").strip() for cell in _CELL_BORDER.split(line.strip())[1:-1]]


def _row(titles: list[str], cells: list[str]) -> Row:
    code = _CODE.search(cells[0])
    return Row(name=code[1] if code else "", cells=dict(zip(titles, cells, strict=True)))
