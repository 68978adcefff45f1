"""The language of a file: by its suffix, of a header by its content."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum

from trainers.source_functions.skeleton import Directive


class Language(StrEnum):
    """What a file is read as."""

    C = "c"
    CPP = "c++"


# By suffix in lower case. Headers are in neither: their content decides.
C_SUFFIXES = frozenset({".c", ".i", ".m"})
CPP_SUFFIXES = frozenset(
    {".cc", ".cpp", ".cxx", ".c++", ".cp", ".hh", ".hpp", ".hxx", ".h++", ".ii", ".inl", ".ipp", ".tpp", ".tcc"}
    | {".txx", ".ixx", ".cppm", ".cu", ".cuh", ".ino", ".mm"}
)
HEADER_SUFFIXES = frozenset({".h", ".inc"})
SUFFIXES = C_SUFFIXES | CPP_SUFFIXES | HEADER_SUFFIXES


# Outside of comments and strings none of these stands in C.
_OF_CPP = re.compile(
    rb"::|\btemplate\s*<|\bclass\s+[A-Za-z_]\w*[^;{}()=,*]*+[:{;]|\b(?:public|protected|private)\s*:(?!:)"
    rb"|\bnamespace\s+\w+\s*\{|\bnamespace\s*\{|\busing\s+namespace\b"
)
_CONDITION = re.compile(rb"#\s*(if|ifdef|ifndef|elif|else|endif)\b([^\n]*)")


def language_of(suffix: str, source: bytes, text: bytes, directives: Sequence[Directive]) -> Language:
    """Return a file's language.

    A header is C++ where something stands in it that C has not: `::`, `template <`, a class, an access label, a
    namespace. What it keeps for C++ below `#ifdef __cplusplus` does not count. `.C` and `.H` in capitals are C++.

    Args:
        source: The whole text.
        text: Its skeleton.
        directives: Those of the source.
    """
    if suffix in (".C", ".H") or suffix.lower() in CPP_SUFFIXES:
        return Language.CPP
    if suffix.lower() in C_SUFFIXES:
        return Language.C
    parts = _parts_for_cpp(source, directives)
    starts = [start for start, _ in parts]
    for found in _OF_CPP.finditer(text):
        before = bisect_right(starts, found.start()) - 1
        if before < 0 or found.start() >= parts[before][1]:
            return Language.CPP
    return Language.C


def _parts_for_cpp(source: bytes, directives: Sequence[Directive]) -> list[tuple[int, int]]:
    """Return the outermost branches that only C++ compiles."""
    parts: list[tuple[int, int]] = []
    depth, begun = 0, None
    for directive in directives:
        found = _CONDITION.match(source, directive.start, directive.end)
        if found is None:
            continue
        word, condition = found.groups()
        if word in (b"if", b"ifdef"):
            depth += 1
            if begun is None and b"__cplusplus" in condition and b"!" not in condition:
                begun = (directive.end, depth)
        elif word == b"ifndef":
            depth += 1
        elif begun is not None and begun[1] == depth:
            parts.append((begun[0], directive.start))
            begun = None
        if word == b"endif":
            depth -= 1
    return parts
