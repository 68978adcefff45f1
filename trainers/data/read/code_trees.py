"""Sets that are a tree of source files whose names hold the labels: CrossVul, VulBench, and what people sort so."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.errors import DataError, InputError
from trainers.data.read.crossvul import CROSSVUL, crossvul_rows, is_crossvul
from trainers.data.read.labelled_sources import LABELLED_SOURCES, are_labelled_sources, labelled_source_rows
from trainers.data.read.raw_rows import Defect, RawRow, RawRows
from trainers.data.read.source_files import MAX_SOURCE_BYTES, read_source

MAX_FILES = 200_000
VULBENCH = "VulBench, a folder per text"
_SIDE = re.compile(r"(?P<pair>.+)_(?P<side>before|after)")
VULBENCH_SOURCE, VULBENCH_FACTS = "src.c", "meta_data.json"


def walk(folder: Path) -> Iterator[Path]:
    """Yield every regular file below a folder in the order of their names, without hidden ones and links out of it.

    Raises:
        DataError: There are too many.
    """
    root = folder.resolve()
    count = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or not path.is_file():
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                continue
            count += 1
            if count > MAX_FILES:
                found = InputError(
                    where=str(folder), found=f"more than {MAX_FILES} files", expected="a folder of files of functions"
                )
                raise DataError(f"{folder}: cannot be read", [found])
            yield path


def is_code_tree(names: Sequence[str]) -> bool:
    """Return whether a folder's files are source files of one of these sets."""
    return any(is_crossvul(name) or _is_vulbench(name) for name in names) or are_labelled_sources(names)


def _is_vulbench(name: str) -> bool:
    return name.endswith(f"/{VULBENCH_SOURCE}")


def code_tree(folder: Path) -> tuple[str, RawRows]:
    """Return which set a folder is of, in words, and its texts as rows.

    Raises:
        DataError: It holds too many files.
    """
    names = [path.relative_to(folder).as_posix() for path in walk(folder)]
    if any(map(is_crossvul, names)):
        return CROSSVUL, crossvul_rows(folder, names)
    if any(map(_is_vulbench, names)):
        return VULBENCH, _rows(folder, _vulbench(names))
    return LABELLED_SOURCES, labelled_source_rows(folder, names)


@dataclass(frozen=True, kw_only=True)
class _Text:
    """One source file and what its path says of it; `facts` is a file beside it that says more."""

    name: str
    content: dict[str, object]
    facts: str | None = None


def _vulbench(names: Sequence[str]) -> list[_Text]:
    """Return what `Big-Vul_177987_before/src.c` says; the file of facts beside it has the label where there is one."""
    # Only what was walked: nothing else may be opened.
    present = frozenset(names)
    folders = {name.rpartition("/")[0]: name for name in names if _is_vulbench(name)}
    texts = []
    for folder, name in folders.items():
        side = _SIDE.fullmatch(folder)
        other = {"before": "after", "after": "before"}
        is_pair = side is not None and f"{side['pair']}_{other[side['side']]}" in folders
        content: dict[str, object] = {
            "id": folder,
            "target": int(side["side"] == "before") if side is not None else None,
            "pair": side["pair"] if side is not None and is_pair else None,
            "cwe": None,
        }
        facts = f"{folder}/{VULBENCH_FACTS}"
        texts.append(_Text(name=name, content=content, facts=facts if facts in present else None))
    return texts


def _rows(folder: Path, texts: Sequence[_Text]) -> RawRows:
    for number, text in enumerate(texts, start=1):
        func = read_source(folder / text.name)
        facts = {} if text.facts is None else _facts(folder / text.facts)
        content = func if isinstance(func, Defect) else {"func": func, **text.content, **facts}
        yield RawRow(number=number, place=text.name, content=content)


def _facts(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            facts = json.loads(file.read(MAX_SOURCE_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(facts, dict):
        return {}
    label, kinds = facts.get("vulnerable"), facts.get("vulnerability_type")
    return {
        **({"target": label} if isinstance(label, bool) else {}),
        **({"cwe": kinds} if isinstance(kinds, list) and kinds else {}),
    }
