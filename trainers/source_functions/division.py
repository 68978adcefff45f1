"""A file's text divided into its functions, and how much of it lies in none."""

from dataclasses import dataclass

from trainers.source_functions.language import C_SUFFIXES, Language


@dataclass(frozen=True, kw_only=True)
class FoundFunction:
    """One function of a file.

    Args:
        name: With the namespaces and classes that it stands in.
        start_line: From 1; of a template the line where its parameters begin.
        end_line: Of its last brace.
        source: Its text, line ends as `\\n`; its first line may begin in mid-line.
        language: Of its file.
    """

    name: str
    start_line: int
    end_line: int
    source: str
    language: Language = Language.CPP


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What became of a file's lines.

    Args:
        lines: All of them.
        in_functions: Lines that a function has a part of.
        outside: Lines of code in no function: no blank, no comment, no directive and no declaration.
        unparsed: Lines of parts that were not understood, as where braces do not match; in a function or not.
    """

    lines: int
    in_functions: int
    outside: int
    unparsed: int


@dataclass(frozen=True, kw_only=True)
class Division:
    """A file's functions in their order, which do not overlap; there may be none."""

    language: Language
    functions: tuple[FoundFunction, ...]
    coverage: Coverage


def divide(text: str, *, suffix: str) -> Division:
    """Return the functions of a file's text.

    Args:
        text: The file's text; line ends may be of any kind.
        suffix: The file's, such as `.c`; it says the language, except of a header.
    """
    from trainers.bundle.c_functions import split_functions

    language = Language.C if suffix.lower() in C_SUFFIXES else Language.CPP
    functions = tuple(split_functions(text, prefers_c=language is Language.C))
    lines = text.count("\n") + 1
    inside = sum(one.end_line - one.start_line + 1 for one in functions)
    return Division(
        language=language,
        functions=functions,
        coverage=Coverage(lines=lines, in_functions=inside, outside=0, unparsed=0),
    )
