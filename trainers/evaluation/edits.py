"""Edits of a function that keep what it does: a verdict that changes with one rests on how code looks.

An edit returns null where it cannot be sure (the function does not parse; macros or assembly could see the change), and
where there is nothing to edit.

Source:
    Rabin et al. 2021, "On the generalizability of Neural Program Models with respect to semantic-preserving program
    transformations", arXiv 2008.01566.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count, pairwise

from tree_sitter import Node, Parser

from trainers.data.c_tokens import TOKEN, is_comment, is_name
from trainers.data.graphs.grammar import LANGUAGES, Grammar

Edit = Callable[[str], str | None]

COMMENT = "/* as before */"
# Nodes in which names mean more than they say: macros that are defined here, pragmas, and assembly.
OPAQUE = {"preproc_def", "preproc_function_def", "preproc_call", "gnu_asm_expression"}
SCOPES = {"compound_statement", "for_statement", "for_range_loop"}
# Around a declared name.
DECLARATORS = {"init_declarator", "pointer_declarator", "array_declarator", "reference_declarator"}
SCALARS = {"primitive_type", "sized_type_specifier"}


def change_comments(source: str) -> str | None:
    """Take all comments out; put one behind the first brace where there are none."""
    tokens = [match for match in TOKEN.finditer(source) if is_comment(match.group())]
    if any(match.group().rstrip().endswith("\\") for match in tokens):
        return None
    if tokens:
        return TOKEN.sub(lambda match: " " if is_comment(match.group()) else match.group(), source).strip()
    brace = next((match.end() for match in TOKEN.finditer(source) if match.group() == "{"), None)
    return None if brace is None else f"{source[:brace]} {COMMENT}{source[brace:]}"


def change_layout(source: str) -> str | None:
    """Take indentation, blank lines and wide gaps out; indent where there are none."""
    matches = list(TOKEN.finditer(source))
    texts = [match.group() for match in matches]
    # Strings over several lines, and raw ones, whose blanks count.
    if any("\n" in text and not is_comment(text) for text in texts) or 'R"' in source:
        return None
    gaps = [source[one.end() : other.start()] for one, other in pairwise(matches)]
    narrow = _joined(texts, ["\n" if "\n" in gap else " " if gap else "" for gap in gaps])
    if narrow != source:
        return narrow
    wide = _joined(texts, ["\n    " if "\n" in gap else gap for gap in gaps])
    return wide if wide != source else None


def _joined(texts: list[str], gaps: list[str]) -> str:
    return "".join(part for pair in zip(texts, [*gaps, ""], strict=True) for part in pair)


def rename_variables(source: str) -> str | None:
    """Give parameters and local variables other names."""
    parsed = _Parsed.of(source)
    if parsed is None:
        return None
    used = {token for token in TOKEN.findall(source) if is_name(token)}
    fresh = (name for number in count(1) if (name := f"local_{number}") not in used)
    renamed = {name: next(fresh).encode() for name in parsed.free_variables()}
    places = [node for node in parsed.nodes if node.type == "identifier" and node.text in renamed]
    return parsed.replaced([(node, renamed[node.text or b""]) for node in places]) if places else None


def add_dead_code(source: str) -> str | None:
    """Put a block that does nothing at the beginning."""
    parsed = _Parsed.of(source)
    if parsed is None or "constexpr" in source:
        return None
    used = set(TOKEN.findall(source))
    name = next(name for number in count() if (name := f"spare_{number}") not in used)
    block = f"{{ int {name} = 0; if ({name}) {{ {name} = 0; }} }}"
    return parsed.inserted(parsed.body.start_byte + 1, f" {block}")


def reorder_declarations(source: str) -> str | None:
    """Reverse runs of declarations that set nothing and call nothing."""
    parsed = _Parsed.of(source)
    if parsed is None:
        return None
    changes = [
        (node, other.text or b"")
        for run in _runs_of_declarations(parsed)
        for node, other in zip(run, reversed(run), strict=True)
        if node.text != other.text
    ]
    return parsed.replaced(changes) if changes else None


def _runs_of_declarations(parsed: "_Parsed") -> Iterator[list[Node]]:
    for block in (node for node in parsed.nodes if node.type == "compound_statement"):
        run: list[Node] = []
        for child in [*block.named_children, None]:
            if child is not None and _is_movable(child, is_c=parsed.is_c):
                run.append(child)
            else:
                yield run
                run = []


def _is_movable(node: Node, *, is_c: bool) -> bool:
    """Return whether a statement only declares variables, with no value, no computed size and no constructor."""
    kind = node.child_by_field_name("type")
    if node.type != "declaration" or kind is None or node.has_error:
        return False
    declarators = node.children_by_field_name("declarator")
    if not all(_is_plain(one) for one in declarators) or kind.child_by_field_name("body") is not None:
        return False
    return is_c or kind.type in SCALARS or all(one.type == "pointer_declarator" for one in declarators)


def _is_plain(declarator: Node) -> bool:
    while declarator.type in {"pointer_declarator", "array_declarator"}:
        size = declarator.child_by_field_name("size")
        inner = declarator.child_by_field_name("declarator")
        if inner is None or (size is not None and size.type != "number_literal"):
            return False
        declarator = inner
    return declarator.type == "identifier"


class _Parsed:
    """One function that parses without an error.

    Args:
        source: UTF-8.
        is_c: Whether as C, else as C++.
        nodes: Of the whole tree.
        body: The function's block.
    """

    def __init__(self, source: bytes, *, is_c: bool, nodes: list[Node], function: Node, body: Node) -> None:
        self.is_c = is_c
        self.nodes = nodes
        self.body = body
        self._source = source
        self._function = function

    @classmethod
    def of(cls, source: str) -> "_Parsed | None":
        """Parse as C, else as C++; null where neither does, or more than one function or less stands there."""
        text = source.encode()
        for grammar in Grammar:
            root = Parser(LANGUAGES[grammar]).parse(text).root_node
            if root.has_error:
                continue
            nodes = list(_walk(root))
            functions = [node for node in nodes if node.type == "function_definition"]
            body = functions[0].child_by_field_name("body") if len(functions) == 1 else None
            if body is None or body.type != "compound_statement" or any(node.type in OPAQUE for node in nodes):
                return None
            return cls(text, is_c=grammar is Grammar.C, nodes=nodes, function=functions[0], body=body)
        return None

    def free_variables(self) -> list[bytes]:
        """Return the parameters and local variables whose names nothing but this text sees, as they are declared."""
        scopes: dict[bytes, list[tuple[int, int]]] = {}
        for declaration in self._declarations():
            for name in _declared_names(declaration):
                scopes.setdefault(name, []).append((declaration.start_byte, self._scope_end(declaration)))
        taken = {node.text for node in self.nodes if node.type in {"type_identifier", "namespace_identifier"}}
        taken.update(name for node in self.nodes if _is_macro_call(node) for name in _names_in(node))
        # Where a name stands outside of all its declarations' scopes, it is that of something else.
        taken.update(
            node.text
            for node in self.nodes
            if node.type == "identifier"
            and not any(first <= node.start_byte < last for first, last in scopes.get(node.text or b"", ()))
        )
        return [name for name in scopes if name not in taken]

    def _declarations(self) -> Iterator[Node]:
        """Yield the function's own parameters, and what is declared in its body."""
        declarator = self._function.child_by_field_name("declarator")
        while declarator is not None and declarator.type != "function_declarator":
            declarator = declarator.child_by_field_name("declarator")
        parameters = declarator and declarator.child_by_field_name("parameters")
        if parameters is not None:
            yield from (node for node in parameters.named_children if node.type == "parameter_declaration")
        for node in _walk(self.body):
            is_extern = any(
                child.type == "storage_class_specifier" and child.text == b"extern" for child in node.children
            )
            if node.type == "declaration" and not is_extern:
                yield node

    def _scope_end(self, declaration: Node) -> int:
        node: Node | None = declaration
        while node is not None and node.type not in SCOPES:
            node = node.parent
        return self._function.end_byte if node is None else node.end_byte

    def replaced(self, changes: list[tuple[Node, bytes]]) -> str:
        """Return the text with nodes replaced."""
        parts, last = [], 0
        for node, text in sorted(changes, key=lambda change: change[0].start_byte):
            parts += [self._source[last : node.start_byte], text]
            last = node.end_byte
        return b"".join([*parts, self._source[last:]]).decode()

    def inserted(self, place: int, text: str) -> str:
        """Return the text with something put in front of a byte."""
        return (self._source[:place] + text.encode() + self._source[place:]).decode()


def _walk(root: Node) -> Iterator[Node]:
    """Yield every node, without recursion: its depth is the input's to choose."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _declared_names(declaration: Node) -> Iterator[bytes]:
    for declarator in declaration.children_by_field_name("declarator"):
        node: Node | None = declarator
        while node is not None and node.type in DECLARATORS:
            inner = node.child_by_field_name("declarator")
            # A reference names what it declares without a field.
            node = inner if inner is not None else next(iter(reversed(node.named_children)), None)
        if node is not None and node.type == "identifier" and node.text is not None:
            yield node.text


def _is_macro_call(node: Node) -> bool:
    """Return whether a call looks like one of a macro, which may paste its arguments into other names."""
    if node.type != "call_expression":
        return False
    called = node.child_by_field_name("function")
    return called is not None and re.fullmatch(rb"[A-Z_][A-Z0-9_]*", called.text or b"") is not None


def _names_in(node: Node) -> Iterator[bytes]:
    return (inner.text for inner in _walk(node) if inner.type == "identifier" and inner.text is not None)


EDITS: Mapping[str, Edit] = {
    "comments": change_comments,
    "layout": change_layout,
    "names": rename_variables,
    "dead_code": add_dead_code,
    "declarations": reorder_declarations,
}
