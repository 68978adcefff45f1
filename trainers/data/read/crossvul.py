"""CrossVul: whole files before and after a fix; their functions that differ are pairs of one vulnerable and one fixed.

The name of a file says which fix it belongs to: `CWE-79/c/bad_1163_0` and `good_1163_0` are the first file of fix 1163.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cellgate.contract.inspection import Reason
from trainers.data.c_tokens import tokens_of
from trainers.data.read.raw_rows import Defect, RawRow, RawRows
from trainers.data.read.source_files import read_source
from trainers.data.read.values import language_of
from trainers.source_functions.division import divide

CROSSVUL = "CrossVul, two files per fix"
_NAME = re.compile(r"(?P<kind>bad|good)_(?P<fix>\d+)_(?P<place>\d+(?:\.\w+)?)")
_WEAKNESS = re.compile(r"CWE-\d+", re.IGNORECASE)
# What decoding puts in place of bytes that are no UTF-8.
_REPLACED = "\ufffd"
_SUFFIXES = {"c": ".c", "c++": ".cpp"}


@dataclass(frozen=True, kw_only=True)
class _Fix:
    """One file before and after a fix; either may be missing."""

    folder: PurePosixPath
    name: str
    fix: str
    files: Mapping[str, str]

    @property
    def where(self) -> str:
        """The pair as ids and messages name it."""
        return str(self.folder / self.name)

    @property
    def language(self) -> str | None:
        """The folder's name, which is the language, unless it is the weakness."""
        last = self.folder.name
        return None if not last or _WEAKNESS.fullmatch(last) else last

    @property
    def about(self) -> dict[str, object]:
        """What all functions of the file share."""
        weakness = next((part for part in self.folder.parts if _WEAKNESS.fullmatch(part)), None)
        return {"cwe": weakness, "language": self.language, "commit": self.fix}


def is_crossvul(name: str) -> bool:
    """Return whether a file's name is one of this set."""
    return _NAME.fullmatch(name.rpartition("/")[2]) is not None


def crossvul_rows(folder: Path, names: Sequence[str]) -> RawRows:
    """Yield the functions that differ between the two files of each fix; of other languages each file as it is."""
    number = 0
    for fix in _fixes(names):
        for place, content in _rows(folder, fix):
            number += 1
            yield RawRow(number=number, place=place, content=content)


def _fixes(names: Sequence[str]) -> Iterator[_Fix]:
    found: dict[tuple[PurePosixPath, str], dict[str, str]] = {}
    for name in names:
        path = PurePosixPath(name)
        if match := _NAME.fullmatch(path.name):
            found.setdefault((path.parent, f"{match['fix']}_{match['place']}"), {})[match["kind"]] = name
    for (parent, pair), files in found.items():
        yield _Fix(folder=parent, name=pair, fix=pair.partition("_")[0], files=files)


def _rows(folder: Path, fix: _Fix) -> Iterator[tuple[str, dict[str, object] | Defect]]:
    language = language_of(fix.language) if fix.language is not None else "c"
    if language not in _SUFFIXES:
        # Such rows are counted by their language, or kept where the settings say so.
        for kind, name in fix.files.items():
            text = read_source(folder / name)
            content = {"func": text, "id": name, "target": int(kind == "bad"), "pair": fix.where, **fix.about}
            yield name, text if isinstance(text, Defect) else content
        return
    texts = {kind: read_source(folder / name, errors="replace") for kind, name in fix.files.items()}
    for kind, text in texts.items():
        if isinstance(text, Defect):
            yield fix.files[kind], text
            return
    if len(texts) < len(("bad", "good")):
        yield fix.where, Defect(reason=Reason.NO_DIFFERENCE, found="the file of the other side is missing")
        return
    functions = {kind: _functions(str(text), _SUFFIXES[language]) for kind, text in texts.items()}
    changed = list(_changed(functions["bad"], functions["good"]))
    if not changed:
        yield fix.where, Defect(reason=Reason.NO_DIFFERENCE, found="no function that both files have differs")
    for name, before, after in changed:
        for kind, func in (("bad", before), ("good", after)):
            yield f"{fix.files[kind]}, {name}", _content(fix, kind, name, func)


def _content(fix: _Fix, kind: str, name: str, func: str) -> dict[str, object] | Defect:
    if _REPLACED in func:
        return Defect(reason=Reason.UNDECODABLE, found="a byte that is no UTF-8")
    pair = f"{fix.where}:{name}"
    return {"func": func, "id": f"{fix.files[kind]}:{name}", "target": int(kind == "bad"), "pair": pair, **fix.about}


def _functions(text: str, suffix: str) -> dict[str, str]:
    """Return a file's functions by name; of several with one name, the later ones with their number."""
    found: dict[str, str] = {}
    times: Counter[str] = Counter()
    for function in divide(text, suffix=suffix).functions:
        times[function.name] += 1
        number = times[function.name]
        found[function.name if number == 1 else f"{function.name}#{number}"] = function.source
    return found


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the functions that both sides have and that differ in more than comments and white space."""
    if len(before) == len(after) == 1:
        # The only function is the one that was fixed, also where it got another name.
        after = dict(zip(before, after.values(), strict=True))
    for name, old in before.items():
        new = after.get(name)
        if new is not None and tokens_of(old) != tokens_of(new):
            yield name, old, new
