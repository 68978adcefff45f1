"""How many functions of real projects are found: against those on which ctags and clang agree.

    python -m bench.function_coverage FOLDER… [--clang FOLDER] [--cache FOLDER] [--list FILE] [--every N]

FOLDER is a source tree, for example one that `apt-get source zlib` unpacks; its name is the project's. It needs
universal-ctags, and libclang's Python bindings (`pip install libclang --target FOLDER`, named by `--clang`).

Agreed is a function that both find under one name (without scope, template arguments and white space) in lines that
differ by 2 at most. clang reads each file by itself, as its suffix says, headers as C and as C++; it searches the
file's folder, the folders above it and their `include`. What lacks a header there it passes over, and what it misses
by that, as what ctags misreads, is not counted for or against anybody. Nor are names that are a macro's around the
function's own, `FUNC(name)(…)`: both take the macro's, the division the name in it.

Columns: agreed functions; of them those found (name, and first line within 2 of clang's or of the name's), and their
share; those inside of another function instead (swallowed); those under another name; those that end more than 2 lines
off; lines of code in no function; lines that did not parse; CPU seconds of the division; functions found, and a second.
"""

import argparse
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers.source_functions.division import Division, FoundFunction, divide
from trainers.source_functions.language import C_SUFFIXES, HEADER_SUFFIXES, SUFFIXES

NEAR = 2
COLUMNS = (
    f"{'project':<12} {'files':>6} {'agreed':>7} {'found':>7} {'share':>7} {'swallowed':>9} {'misnamed':>8} "
    f"{'ends':>5} {'outside':>8} {'unparsed':>8} {'lines':>9} {'CPU s':>7} {'found all':>9} {'per s':>7}"
)
DEFINITIONS = frozenset(
    {"FUNCTION_DECL", "CXX_METHOD", "CONSTRUCTOR", "DESTRUCTOR", "CONVERSION_FUNCTION", "FUNCTION_TEMPLATE"}
)
SCOPES = frozenset(
    {"NAMESPACE", "CLASS_DECL", "STRUCT_DECL", "UNION_DECL", "CLASS_TEMPLATE", "LINKAGE_SPEC", "UNEXPOSED_DECL"}
    | {"CLASS_TEMPLATE_PARTIAL_SPECIALIZATION"}
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One definition, as ctags or clang sees it.

    Args:
        line: Of the name.
        first: Of the whole definition; ctags knows it not and gives the name's.
    """

    name: str
    line: int
    first: int
    last: int


@dataclass(kw_only=True)
class Row:
    """One project's figures."""

    files: int = 0
    agreed: int = 0
    found: int = 0
    swallowed: int = 0
    misnamed: int = 0
    ends: int = 0
    outside: int = 0
    unparsed: int = 0
    lines: int = 0
    cpu_s: float = 0.0
    all_found: int = 0

    def __str__(self) -> str:
        share = f"{100 * self.found / max(self.agreed, 1):.2f}%"
        return (
            f"{self.files:>6} {self.agreed:>7} {self.found:>7} {share:>7} {self.swallowed:>9} {self.misnamed:>8} "
            f"{self.ends:>5} {self.outside:>8} {self.unparsed:>8} {self.lines:>9} {self.cpu_s:>7.2f} "
            f"{self.all_found:>9} {self.all_found / max(self.cpu_s, 1e-9):>7.0f}"
        )


def main() -> None:
    """Measure each project and print its row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--clang", type=Path, help="where libclang's Python bindings are installed")
    parser.add_argument("--cache", type=Path, help="keeps what ctags and clang found, for the next time")
    parser.add_argument(
        "--every", type=int, default=1, help="clang reads each N-th file only; the others are not judged"
    )
    parser.add_argument("--list", type=Path, help="takes a line for each function that was not found")
    given = parser.parse_args()
    if shutil.which("ctags") is None:
        raise SystemExit("ctags: not found; install universal-ctags")
    if given.clang is not None:
        sys.path.insert(0, str(given.clang))
    missed: list[str] = []
    print(COLUMNS)
    for folder in given.folders:
        agreed = agreement(folder.resolve(), given.cache, every=given.every)
        print(f"{folder.name:<12} {measure(folder.resolve(), agreed, missed)}", flush=True)
    if given.list is not None:
        given.list.write_text("\n".join(missed) + "\n")


def measure(folder: Path, agreed: Mapping[str, Sequence[Seen]], missed: list[str]) -> Row:
    """Return a project's figures, and add what was not found."""
    row = Row()
    for path in sources_in(folder):
        text = path.read_bytes().decode("utf-8", errors="replace")
        before = time.process_time()
        division = divide(text, suffix=path.suffix)
        row.cpu_s += time.process_time() - before
        row.files += 1
        row.lines += division.coverage.lines
        row.outside += division.coverage.outside
        row.unparsed += division.coverage.unparsed
        row.all_found += len(division.functions)
        place = path.relative_to(folder).as_posix()
        lines = text.splitlines()
        judged = [seen for seen in agreed.get(place, ()) if not is_macro_around_name(seen, lines)]
        compare(row, division, judged, f"{folder.name}/{place}", missed)
    return row


def is_macro_around_name(seen: Seen, lines: Sequence[str]) -> bool:
    """Return whether what ctags and clang take for a name is a macro around it: `static int FUNC(name)(int a)`."""
    near = " ".join(lines[seen.line - 1 : seen.line + 1])
    return re.search(rf"\b{re.escape(seen.name)}\s*\(\s*\w+\s*\)\s*\(", near) is not None


def compare(row: Row, division: Division, agreed: Sequence[Seen], place: str, missed: list[str]) -> None:
    """Count what of the agreed functions was found."""
    by_name: dict[str, list[FoundFunction]] = defaultdict(list)
    for one in division.functions:
        by_name[plain(one.name)].append(one)
    for seen in agreed:
        row.agreed += 1
        same = [one for one in by_name[seen.name] if starts_with(one, seen)]
        if same:
            row.found += 1
            if all(abs(one.end_line - seen.last) > NEAR for one in same):
                row.ends += 1
                missed.append(f"{place}:{seen.line}: {seen.name}: ends in {same[0].end_line}, not in {seen.last}")
            continue
        around = [one for one in division.functions if one.start_line <= seen.line <= one.end_line]
        if any(starts_with(one, seen) for one in around):
            row.misnamed += 1
            kind = f"is called {around[0].name}"
        elif around:
            row.swallowed += 1
            kind = f"lies in {around[0].name}, {around[0].start_line} to {around[0].end_line}"
        else:
            kind = "is not found"
        missed.append(f"{place}:{seen.line}: {seen.name}: {kind}")


def starts_with(one: FoundFunction, seen: Seen) -> bool:
    """Return whether a found function begins where an agreed one does."""
    return min(abs(one.start_line - seen.first), abs(one.start_line - seen.line)) <= NEAR


def plain(name: str) -> str:
    """Return a name without its scope, white space and template arguments; of an operator the symbols stay."""
    word, is_operator, symbol = name.rpartition("operator")
    if is_operator and (not word or word[-1] in ":> ") and not symbol[:1].isalnum() and symbol[:1] != "_":
        return "operator" + "".join(symbol.split())
    kept, depth = [], 0
    for letter in name:
        depth += letter == "<"
        if depth == 0:
            kept.append(letter)
        depth -= letter == ">" and depth > 0
    return "".join("".join(kept).rpartition("::")[2].split())


def agreement(folder: Path, cache: Path | None, *, every: int = 1) -> dict[str, list[Seen]]:
    """Return the functions on which ctags and clang agree, by the file's place in the project."""
    by_ctags = remembered(cache, f"{folder.name}-ctags", lambda: ctags_functions(folder))
    by_clang = remembered(cache, f"{folder.name}-clang{_every(every)}", lambda: clang_functions(folder, every))
    agreed = {}
    for place, tags in by_ctags.items():
        names: dict[str, list[int]] = defaultdict(list)
        for tag in tags:
            names[tag.name].append(tag.line)
        agreed[place] = [
            seen
            for seen in by_clang.get(place, [])
            if any(abs(line - seen.line) <= NEAR for line in names.get(seen.name, ()))
        ]
    return agreed


def _every(every: int) -> str:
    return f"-{every}" if every > 1 else ""


def remembered(cache: Path | None, name: str, find: Any) -> dict[str, list[Seen]]:
    """Return what was found before, or find it."""
    path = cache / f"{name}.json" if cache is not None else None
    if path is not None and path.exists():
        return {place: [Seen(**one) for one in ones] for place, ones in json.loads(path.read_text()).items()}
    found: dict[str, list[Seen]] = find()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({place: [vars(one) for one in ones] for place, ones in found.items()}))
    return found


def sources_in(folder: Path) -> list[Path]:
    """Return a project's C and C++ files."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink()
    )


def ctags_functions(folder: Path) -> dict[str, list[Seen]]:
    """Return every function of a project that ctags finds."""
    paths = "\n".join(str(path) for path in sources_in(folder))
    command = ["ctags", "--languages=C,C++", "--kinds-C=f", "--kinds-C++=f", "--fields=+ne", "--output-format=json"]
    done = subprocess.run(
        [*command, "--sort=no", "-L", "-", "-o", "-"], input=paths, capture_output=True, text=True, errors="replace",
        check=True,
    )  # fmt: skip
    found: dict[str, list[Seen]] = defaultdict(list)
    for line in done.stdout.splitlines():
        tag = json.loads(line)
        place = Path(tag["path"]).relative_to(folder).as_posix()
        seen = Seen(name=plain(tag["name"]), line=tag["line"], first=tag["line"], last=tag.get("end", tag["line"]))
        found[place].append(seen)
    return dict(found)


def clang_functions(folder: Path, every: int) -> dict[str, list[Seen]]:
    """Return every function of a project that clang finds, each file read by itself."""
    cindex = importlib.import_module("clang.cindex")
    index = cindex.Index.create()
    found = {}
    for path in sources_in(folder)[::every]:
        languages = ["c", "c++"] if path.suffix.lower() in HEADER_SUFFIXES else [clang_language(path)]
        seen = {one for language in languages for one in definitions(cindex, index, path, folder, language)}
        found[path.relative_to(folder).as_posix()] = sorted(seen, key=lambda one: (one.line, one.name))
    return found


def clang_language(path: Path) -> str:
    """Return clang's word for a file's language."""
    return "c" if path.suffix in C_SUFFIXES else "c++"


def definitions(cindex: Any, index: Any, path: Path, folder: Path, language: str) -> set[Seen]:
    """Return the functions that clang finds in one file."""
    above = [parent for parent in path.parents if parent.is_relative_to(folder)]
    searched = [f"-I{place}" for parent in above for place in (parent, parent / "include") if place.is_dir()]
    standard = "-std=c++17" if language == "c++" else "-std=gnu11"
    arguments = ["-x", language, standard, "-ferror-limit=0", "-w", *searched, *system_folders(language)]
    keep_going = 0x200
    try:
        unit = index.parse(str(path), args=arguments, options=keep_going)
    except cindex.TranslationUnitLoadError:
        return set()
    return {seen_of(cursor) for cursor in functions_below(unit.cursor, str(path)) if cursor.is_definition()}


def functions_below(root: Any, path: str) -> Iterator[Any]:
    """Yield clang's cursors of functions in one file, those inside of functions left out."""
    waiting = [root]
    while waiting:
        for child in waiting.pop().get_children():
            file = child.location.file
            if file is None or file.name != path:
                continue
            # Some kinds are unknown to the bindings.
            try:
                kind = child.kind.name
            except ValueError:
                continue
            if kind in DEFINITIONS:
                yield child
            elif kind in SCOPES:
                waiting.append(child)


def seen_of(cursor: Any) -> Seen:
    """Return what clang knows of one function."""
    return Seen(
        name=plain(cursor.spelling),
        line=cursor.location.line,
        first=cursor.extent.start.line,
        last=cursor.extent.end.line,
    )


def system_folders(language: str) -> list[str]:
    """Return where the machine's own compiler searches: libclang's wheel brings no headers."""
    if language not in _SYSTEM:
        compiler = shutil.which("gcc")
        text = ""
        if compiler is not None:
            command = [compiler, "-E", "-v", "-x", language, "/dev/null"]
            text = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        lines = (
            text.partition("search starts here:\n#include <...>")[2] or text.partition("<...> search starts here:")[2]
        )
        folders = [line.strip() for line in lines.partition("End of search list")[0].splitlines()]
        _SYSTEM[language] = [part for one in folders if one.startswith("/") for part in ("-isystem", one)]
    return _SYSTEM[language]


_SYSTEM: dict[str, list[str]] = {}

if __name__ == "__main__":
    main()
