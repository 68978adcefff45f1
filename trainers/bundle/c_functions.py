"""Files of C and C++ divided into their functions."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tree_sitter import Node, Parser

from cellgate.contract.errors import DataError, InputError
from trainers.data.graphs.grammar import LANGUAGES, Grammar
from trainers.data.graphs.syntax import count_errors
from trainers.source_functions.division import Division, FoundFunction, divide

C_SUFFIXES = frozenset({".c", ".i"})
SUFFIXES = C_SUFFIXES | {".h", ".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ii", ".inl", ".ipp"}
# What holds functions and gives them its name; a union is a class to the grammar's users.
SCOPES = frozenset({"namespace_definition", "class_specifier", "struct_specifier", "union_specifier"})
BODIES = frozenset({"compound_statement", "try_statement"})
# A name shows so many of the scopes that a function stands in, the innermost ones.
MAX_SCOPES = 32
MAX_SCOPE_CHARS = 200
# Above these a file, or a function, is not scored: the largest amalgamation in wide use has 9 MB.
MAX_FILE_BYTES = 32 << 20
MAX_FUNCTION_BYTES = 1 << 20
# Where braces do not match, what is left of a statement looks like a function.
STATEMENT_WORDS = frozenset({"if", "for", "while", "switch", "else", "do", "return", "catch"})
_DIRECTIVE = re.compile(rb"[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif)\b")
# What exports a class, between its keyword and its name: unknown to the grammar, which then takes it for a function.
_EXPORT = re.compile(rb"\b(?:class|struct|union)\s+([A-Z][A-Z0-9_]+)(?=\s+[A-Za-z_]\w*\s*(?:final\s*)?[:{])")


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files themselves, and of each folder the C and C++ files in it, by name; each once.

    Raises:
        DataError: A path is neither; all such are named.
    """
    problems = [
        InputError(where=str(path), found="nothing", expected="a file or a folder", fix="check the path")
        for path in paths
        if not path.exists()
    ]
    if problems:
        raise DataError("there is nothing to read", problems)
    files = [file for path in paths for file in (_files_in(path) if path.is_dir() else [path])]
    return list(dict.fromkeys(files))


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def split_file(path: Path) -> list[FoundFunction]:
    """Return the functions of a file in their order; there may be none.

    Raises:
        DataError: The file cannot be read, or is no UTF-8 text.
    """
    return split_functions(_read(path), prefers_c=path.suffix.lower() in C_SUFFIXES)


def divide_file(path: Path) -> Division:
    """Return the functions of a file and how many of its lines lie in none.

    Raises:
        DataError: The file cannot be read, or is no UTF-8 text.
    """
    return divide(_read(path), suffix=path.suffix)


def _read(path: Path) -> str:
    fix = ""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise _undivided(path, "more bytes than that", f"at most {MAX_FILE_BYTES} bytes", "divide it")
        text = content.decode("utf-8-sig")
    except OSError as error:
        found, expected = str(error), "a readable file"
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        expected, fix = "UTF-8 text", "convert it, for example with iconv -f latin1 -t utf-8"
    else:
        if "\0" not in text:
            return text
        found, expected = f"a zero byte at position {text.index(chr(0))}", "UTF-8 text"
    raise _undivided(path, found, expected, fix)


def _undivided(path: Path, found: str, expected: str, fix: str) -> DataError:
    problem = InputError(where=str(path), found=found, expected=expected, fix=fix)
    return DataError(f"{path} cannot be divided into functions", [problem])


def split_functions(text: str, *, prefers_c: bool = False) -> list[FoundFunction]:
    """Return the functions of a file's text in their order, by the grammar that leaves fewer errors.

    A function whose braces match only within one branch of an `#if` is found too.

    Args:
        prefers_c: C wins a tie, else C++.
    """
    source = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    readable = _without_exports(source)
    grammars = (Grammar.C, Grammar.CPP) if prefers_c else (Grammar.CPP, Grammar.C)
    root, errors = _parsed(readable, grammars)
    definitions = list(_definitions(root))
    if errors:
        once, _ = _parsed(_without_other_branches(readable), grammars)
        definitions = _joined(list(_definitions(once)), definitions)
    return [_found(source, definition) for definition in definitions]


def _parsed(source: bytes, grammars: Sequence[Grammar]) -> tuple[Node, int]:
    """Return the tree with the fewest errors, the first of equals, and how many there are."""
    roots = [Parser(LANGUAGES[grammars[0]]).parse(source).root_node]
    if roots[0].has_error:
        roots += [Parser(LANGUAGES[grammar]).parse(source).root_node for grammar in grammars[1:]]
    errors = [count_errors(root) for root in roots]
    fewest = min(errors)
    return roots[errors.index(fewest)], fewest


def _without_exports(source: bytes) -> bytes:
    """Return the source with the macros in the heads of classes made blank, byte for byte."""

    def blank(head: re.Match[bytes]) -> bytes:
        before = head.start(1) - head.start()
        return head.group()[:before] + b" " * len(head.group(1))

    return _EXPORT.sub(blank, source)


def _without_other_branches(source: bytes) -> bytes:
    """Return the source with what stands after `#else` and `#elif` made blank, byte for byte, and no conditions."""
    lines = []
    hidden: list[bool] = []
    continues = False
    for line in source.split(b"\n"):
        word = None if continues else _DIRECTIVE.match(line)
        if word is not None:
            match word.group(1):
                case b"if" | b"ifdef" | b"ifndef":
                    hidden.append(False)
                case b"endif" if hidden:
                    hidden.pop()
                case b"else" | b"elif" if hidden:
                    hidden[-1] = True
        is_condition = word is not None or continues
        continues = is_condition and line.endswith(b"\\")
        lines.append(b" " * len(line) if is_condition or any(hidden) else line)
    return b"\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class _Definition:
    """Where a function stands.

    Args:
        scope: What it stands in; None at the top.
        outer: A template's head, else the function.
        node: The function.
    """

    scope: "_Scope | None"
    outer: Node
    node: Node


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """A namespace or a class; a chain, since thousands of functions may share thousands of scopes."""

    name: str
    outer: "_Scope | None"


def _joined(first: Sequence[_Definition], more: Sequence[_Definition]) -> list[_Definition]:
    """Return all of the first, and of the second those that touch none of them, in source order."""
    # Functions do not overlap one another, so both their starts and their ends ascend.
    taken = sorted((one.outer.start_byte, one.node.end_byte) for one in first)
    ends = [end for _, end in taken]

    def is_apart(one: _Definition) -> bool:
        following = bisect_right(ends, one.outer.start_byte)
        return following == len(taken) or one.node.end_byte <= taken[following][0]

    return sorted([*first, *filter(is_apart, more)], key=lambda one: one.outer.start_byte)


def _definitions(root: Node) -> Iterator[_Definition]:
    """Yield the functions of a tree; what stands inside a function is part of it.

    Without recursion: the tree's depth is the input's to choose.
    """
    waiting = [_Definition(scope=None, outer=root, node=root)]
    while waiting:
        place = waiting.pop()
        node, scope = place.node, place.scope
        if node.type == "function_definition" and _is_function(node):
            yield place
            continue
        if node.type in SCOPES and (name := node.child_by_field_name("name")) is not None:
            scope = _Scope(name=_words(name)[:MAX_SCOPE_CHARS], outer=scope)
        is_template = node.type == "template_declaration"
        waiting.extend(
            _Definition(scope=scope, outer=node if is_template else child, node=child)
            for child in reversed(node.children)
        )


def _is_function(node: Node) -> bool:
    """Return whether a definition has a body and parameters and is no remains of a statement; `= default` has none."""
    body = node.child_by_field_name("body")
    if body is None:
        body = next((child for child in node.children if child.type in BODIES), None)
    return body is not None and body.type in BODIES and _name(node) not in (None, *STATEMENT_WORDS)


def _name(node: Node) -> str | None:
    """Return a function's name as it stands in its head; null where the head has no parameters."""
    found = node.child_by_field_name("declarator")
    has_parameters = False
    while found is not None:
        kind = found.child_by_field_name("type")
        if found.type == "operator_cast" and kind is not None:
            return f"operator {_words(kind)}"
        has_parameters |= found.type == "function_declarator"
        inner = found.child_by_field_name("declarator")
        if inner is None:
            # References and parentheses have their declarator under no name.
            inner = next((child for child in found.children if child.type.endswith("declarator")), None)
        if inner is None:
            break
        found = inner
    if found is not None and found.type == "parenthesized_declarator" and not has_parameters:
        # A macro's call before a body, which C takes for a type and a name in parentheses.
        found, has_parameters = node.child_by_field_name("type"), True
    return _words(found) if found is not None and has_parameters else None


def _scopes(innermost: _Scope | None) -> list[str]:
    """Return the names of scopes, the outermost first; beyond MAX_SCOPES only the innermost."""
    names: list[str] = []
    scope = innermost
    while scope is not None and len(names) < MAX_SCOPES:
        names.append(scope.name)
        scope = scope.outer
    return [*(["…"] if scope is not None else []), *reversed(names)]


def _words(node: Node) -> str:
    return " ".join((node.text or b"").decode(errors="replace").split())


def _found(source: bytes, place: _Definition) -> FoundFunction:
    return FoundFunction(
        name="::".join([*_scopes(place.scope), _name(place.node) or ""]),
        start_line=place.outer.start_point[0] + 1,
        end_line=place.node.end_point[0] + 1,
        source=source[place.outer.start_byte : place.node.end_byte].decode(errors="replace"),
    )
