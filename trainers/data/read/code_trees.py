"""Sets that are a tree of source files, one labelled text each: CrossVul and VulBench."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.inspection import Reason
from trainers.data.read.raw_rows import Defect, RawRow, RawRows, damaged

MAX_FILES = 200_000
MAX_SOURCE_BYTES = 16 << 20
CROSSVUL, VULBENCH = "CrossVul, a file per text", "VulBench, a folder per text"
_CROSSVUL_NAME = re.compile(r"(?P<kind>bad|good)_(?P<pair>\d+_\d+)(?:\.\w+)?")
_WEAKNESS = re.compile(r"CWE-\d+", re.IGNORECASE)
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
    return any(_is_crossvul(name) or _is_vulbench(name) for name in names)


def _is_crossvul(name: str) -> bool:
    return _CROSSVUL_NAME.fullmatch(name.rpartition("/")[2]) is not None


def _is_vulbench(name: str) -> bool:
    return name.endswith(f"/{VULBENCH_SOURCE}")


def code_tree(folder: Path) -> tuple[str, RawRows]:
    """Return which set a folder is of, in words, and its texts as rows.

    Raises:
        DataError: It holds too many files.
    """
    names = [path.relative_to(folder).as_posix() for path in walk(folder)]
    if any(map(_is_crossvul, names)):
        return CROSSVUL, _rows(folder, [_crossvul(name) for name in names if _is_crossvul(name)])
    return VULBENCH, _rows(folder, _vulbench(names))


@dataclass(frozen=True, kw_only=True)
class _Text:
    """One source file and what its path says of it; `facts` is a file beside it that says more."""

    name: str
    content: dict[str, object]
    facts: str | None = None


def _crossvul(name: str) -> _Text:
    """Return what `CWE-79/java/bad_1163_0` says."""
    path = PurePosixPath(name)
    found = _CROSSVUL_NAME.fullmatch(path.name)
    kind, pair = (found["kind"], found["pair"]) if found is not None else ("", "")
    folders = path.parts[:-1]
    content: dict[str, object] = {
        "id": name,
        "target": int(kind == "bad"),
        "pair": "/".join((*folders, pair)),
        "cwe": next((folder for folder in folders if _WEAKNESS.fullmatch(folder)), None),
        "language": folders[-1] if folders and not _WEAKNESS.fullmatch(folders[-1]) else None,
    }
    return _Text(name=name, content=content)


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
        func = _source(folder / text.name)
        facts = {} if text.facts is None else _facts(folder / text.facts)
        content = func if isinstance(func, Defect) else {"func": func, **text.content, **facts}
        yield RawRow(number=number, place=text.name, content=content)


def _source(path: Path) -> str | Defect:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SOURCE_BYTES + 1)
    except OSError as error:
        return Defect(reason=Reason.MALFORMED, found=f"the file cannot be read: {error.strerror or error}")
    if len(content) > MAX_SOURCE_BYTES:
        return Defect(reason=Reason.TOO_LONG, found=f"more than {MAX_SOURCE_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return damaged(content, error)


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
