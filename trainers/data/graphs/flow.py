"""Control flow between the statements of a function.

A statement is the syntax node of the statement itself; a condition stands for its `if`, loop or `switch`, so the
initialiser and the update of a `for` are nodes of their own. Every statement is told what comes after it, so one
pass with an explicit stack is enough and depth is no limit.
"""

from dataclasses import dataclass
from typing import NamedTuple

from trainers.data.graphs.grammar import Field, codes
from trainers.data.graphs.syntax import Syntax

IF = codes("if_statement")
LOOPS = codes("while_statement", "for_range_loop")
FOR = codes("for_statement")
DO = codes("do_statement")
SWITCH = codes("switch_statement")
CASE = codes("case_statement")
LABEL = codes("labeled_statement")
GOTO = codes("goto_statement")
BREAK = codes("break_statement")
CONTINUE = codes("continue_statement", "seh_leave_statement")
LEAVES = codes("return_statement", "throw_statement", "co_return_statement")
TRY = codes("try_statement", "seh_try_statement")
HANDLERS = codes("catch_clause", "seh_except_clause", "seh_finally_clause")
FUNCTION = codes("function_definition")
# Either branch of a preprocessor condition may be the one that is compiled.
PREPROCESSOR_IF = codes("preproc_if", "preproc_ifdef", "preproc_elif", "preproc_elifdef")
ERROR = codes("ERROR")
PLAIN = codes("expression_statement", "declaration", "type_definition", "using_declaration", "alias_declaration")
PLAIN |= codes("preproc_call", "preproc_def", "preproc_function_def", "static_assert_declaration")

STATEMENTS = (IF | LOOPS | FOR | DO | SWITCH | CASE | LABEL | GOTO | BREAK | CONTINUE | LEAVES | TRY | HANDLERS) | (
    FUNCTION | PREPROCESSOR_IF | ERROR | PLAIN
)
# These only hold statements and are no step of their own.
CONTAINERS = codes(
    "compound_statement",
    "else_clause",
    "attributed_statement",
    "preproc_else",
    "template_declaration",
    "namespace_definition",
    "linkage_specification",
    "declaration_list",
    "class_specifier",
    "struct_specifier",
    "field_declaration_list",
)
DEFAULT_LABEL = b"default"
CALL = codes("call_expression")
IDENTIFIER = codes("identifier")
NEVER_RETURN = frozenset(
    {b"exit", b"_exit", b"abort", b"__builtin_unreachable", b"g_assert_not_reached", b"longjmp", b"panic"}
)


@dataclass(frozen=True, kw_only=True)
class ControlFlow:
    """Which statement may run after which.

    Args:
        steps: The statements, in source order.
        edges: Pairs (before, after), sorted.
    """

    steps: list[int]
    edges: list[tuple[int, int]]


class _Place(NamedTuple):
    """A statement, and where control goes after it, on `break`, on `continue`, and for a `case`."""

    node: int
    after: int | None
    on_break: int | None
    on_continue: int | None
    switch: int | None


class _FlowBuilder:
    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        self._waiting: list[_Place] = []
        self._heads: dict[int, int] = {}
        self._gotos: list[tuple[int, bytes]] = []
        self._labels: dict[bytes, int] = {}
        self._switches_with_default: set[int] = set()
        self._switches: list[tuple[int, int | None]] = []
        self.steps: list[int] = []
        self.edges: set[tuple[int, int]] = set()

    def build(self) -> None:
        self._sequence(self._inside(0), _Place(0, None, None, None, None))
        while self._waiting:
            self._visit(self._waiting.pop())
        for goto, name in self._gotos:
            if name in self._labels:
                self._link(goto, self._labels[name])
        for switch, after in self._switches:
            if switch not in self._switches_with_default:
                self._link(switch, after)

    def _link(self, before: int, after: int | None) -> None:
        if after is not None:
            self.edges.add((before, after))

    def _inside(self, node: int, field: Field | None = None) -> list[int]:
        """List the statements directly under a node, containers opened."""
        syntax = self._syntax
        waiting = [child for child in reversed(syntax.children(node)) if field is None or syntax.field[child] == field]
        found = []
        while waiting:
            child = waiting.pop()
            if syntax.code[child] in STATEMENTS:
                found.append(child)
            elif syntax.code[child] in CONTAINERS:
                waiting.extend(reversed(syntax.children(child)))
        return found

    def _child(self, node: int, field: Field) -> int | None:
        return next((c for c in self._syntax.children(node) if self._syntax.field[c] == field), None)

    def _head(self, node: int) -> int:
        """Return the step that runs first in a statement."""
        chain = []
        while node not in self._heads:
            chain.append(node)
            code = self._syntax.code[node]
            first: int | None = None
            if code in FOR:
                first = self._child(node, Field.INITIALIZER)
            elif code in DO and (body := self._inside(node, Field.BODY)):
                node = body[0]
                continue
            self._heads[node] = node if first is None else first
        for outer in chain:
            self._heads[outer] = self._heads[node]
        return self._heads[node]

    def _sequence(self, statements: list[int], around: _Place) -> int | None:
        """Queue statements that run one after another; return the step that runs first."""
        after = around.after
        for node in reversed(statements):
            self._waiting.append(_Place(node, after, around.on_break, around.on_continue, around.switch))
            after = self._head(node)
        return after

    def _visit(self, place: _Place) -> None:
        node, after = place.node, place.after
        code = self._syntax.code[node]
        self.steps.append(node)
        if code in PLAIN:
            self._link(node, None if self._never_returns(node) else after)
        elif code in LEAVES:
            pass
        elif code in IF or code in PREPROCESSOR_IF:
            self._branch(place)
        elif code in LOOPS:
            body = self._inside(node, Field.BODY)
            self._link(node, self._sequence(body, place._replace(after=node, on_break=after, on_continue=node)))
            self._link(node, after)
        elif code in FOR:
            self._for(place)
        elif code in DO:
            body = self._inside(node, Field.BODY)
            self._link(node, self._sequence(body, place._replace(after=node, on_break=after, on_continue=node)))
            self._link(node, after)
        elif code in SWITCH:
            self._switches.append((node, after))
            body = self._inside(node, Field.BODY)
            self._sequence(body, place._replace(on_break=after, switch=node))
        elif code in CASE:
            self._case(place)
        elif code in LABEL:
            self._label(place)
        elif code in GOTO:
            label = self._child(node, Field.LABEL)
            if label is not None:
                self._gotos.append((node, self._syntax.text[label]))
        elif code in BREAK:
            self._link(node, place.on_break)
        elif code in CONTINUE:
            self._link(node, place.on_continue)
        elif code in TRY:
            self._try(place)
        elif code in FUNCTION:
            # Control never falls out of one function into the next.
            self._link(node, self._sequence(self._inside(node, Field.BODY), _Place(node, None, None, None, None)))
        else:
            self._link(node, self._sequence(self._inside(node), place))

    def _never_returns(self, node: int) -> bool:
        call = node + 1
        syntax = self._syntax
        if syntax.stop[node] < call + 2 or syntax.code[call] not in CALL:
            return False
        return syntax.field[call + 1] == Field.FUNCTION and syntax.text[call + 1] in NEVER_RETURN

    def _branch(self, place: _Place) -> None:
        node = place.node
        if self._syntax.code[node] in IF:
            then = self._inside(node, Field.CONSEQUENCE)
        else:
            alternative = set(self._inside(node, Field.ALTERNATIVE))
            then = [child for child in self._inside(node) if child not in alternative]
        self._link(node, self._sequence(then, place))
        self._link(node, self._sequence(self._inside(node, Field.ALTERNATIVE), place))

    def _for(self, place: _Place) -> None:
        node, after = place.node, place.after
        first = self._child(node, Field.INITIALIZER)
        update = self._child(node, Field.UPDATE)
        again = node if update is None else update
        if first is not None:
            self.steps.append(first)
            self._link(first, node)
        if update is not None:
            self.steps.append(update)
            self._link(update, node)
        body = self._inside(node, Field.BODY)
        inner = place._replace(after=again, on_break=after, on_continue=again)
        self._link(node, self._sequence(body, inner))
        if self._child(node, Field.CONDITION) is not None:
            self._link(node, after)

    def _case(self, place: _Place) -> None:
        node = place.node
        if place.switch is not None:
            self._link(place.switch, node)
            if self._child(node, Field.VALUE) is None:
                self._switches_with_default.add(place.switch)
        self._link(node, self._sequence(self._inside(node), place))

    def _label(self, place: _Place) -> None:
        label = self._child(place.node, Field.LABEL)
        if label is not None:
            self._labels.setdefault(self._syntax.text[label], place.node)
        self._link(place.node, self._sequence(self._inside(place.node), place))

    def _try(self, place: _Place) -> None:
        handlers = [c for c in self._syntax.children(place.node) if self._syntax.code[c] in HANDLERS]
        for handler in handlers:
            self._waiting.append(place._replace(node=handler))
            self._link(place.node, handler)
        self._link(place.node, self._sequence(self._inside(place.node, Field.BODY), place))


def control_flow(syntax: Syntax) -> ControlFlow:
    """Return the control flow of every function in a syntax tree; pieces outside functions run in sequence."""
    if not syntax.code:
        return ControlFlow(steps=[], edges=[])
    builder = _FlowBuilder(syntax)
    builder.build()
    return ControlFlow(steps=sorted(set(builder.steps)), edges=sorted(builder.edges))
