"""A file's text divided into its functions, and how much of it lies in none."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainers.source_functions.branches import hidden_branches
from trainers.source_functions.language import Language, language_of
from trainers.source_functions.outline import Definition, outline_of
from trainers.source_functions.skeleton import blank, skeleton_of


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
    language: Language


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
    """Return the functions of a file's text, in time proportional to it.

    Braces say where functions are, since what stands in them may hold any macro; neither grammar has to understand it.
    Words before a brace are read as both languages allow, so a file in the wrong one loses nothing.

    Args:
        text: The file's text; line ends may be of any kind.
        suffix: The file's, such as `.c`; it says the language, except of a header.
    """
    source = text.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace")
    visible, directives = skeleton_of(source)
    code = bytes(visible)
    language = language_of(suffix, source, code, directives)
    for start, end in hidden_branches(source, visible, directives):
        blank(visible, start, end)
    outline = outline_of(bytes(visible))
    functions, inside = _located(source, outline.functions, language)
    return Division(
        language=language,
        functions=functions,
        coverage=Coverage(
            lines=source.count(b"\n") + (not source.endswith(b"\n") and source != b""),
            in_functions=inside,
            outside=_code_lines(code, outline.odd),
            unparsed=_code_lines(code, outline.broken),
        ),
    )


def _located(
    source: bytes, definitions: Sequence[Definition], language: Language
) -> tuple[tuple[FoundFunction, ...], int]:
    """Return functions with their lines and texts, and how many lines have a part of one."""
    functions = []
    line, place, inside, last_line = 1, 0, 0, 0
    for one in definitions:
        start_line = line + source.count(b"\n", place, one.start)
        end_line = start_line + source.count(b"\n", one.start, one.end)
        functions.append(
            FoundFunction(
                name=one.name,
                start_line=start_line,
                end_line=end_line,
                source=source[one.start : one.end].decode(errors="replace"),
                language=language,
            )
        )
        inside += end_line - max(start_line, last_line + 1) + 1
        line, place, last_line = end_line, one.end, end_line
    return tuple(functions), inside


def _code_lines(text: bytes, parts: Sequence[tuple[int, int]]) -> int:
    """Return how many lines have something of some parts, each line once, blank ones left out."""
    lines: set[int] = set()
    line, place = 1, 0
    for start, end in sorted(parts):
        begin, end = max(start, place), max(end, place)
        line += text.count(b"\n", place, begin)
        lines.update(line + number for number, content in enumerate(text[begin:end].split(b"\n")) if content.strip())
        line += text.count(b"\n", begin, end)
        place = end
    return len(lines)
