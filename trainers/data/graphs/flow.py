"""Control flow between the statements of a function.

A statement is the syntax node of the statement itself; a condition stands for its `if`, loop or `switch`, so the
initialiser and the update of a `for` are nodes of their own. Every statement gets its successors as an argument, so one
pass with an explicit stack is enough and depth is no limit.
"""

from collections.abc import Callable
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
# Control enters these not at the node itself: at the initialiser of a `for`, at the body of a `do`.
STARTS_INSIDE = FOR | DO
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
        edges: Pairs (before, after).
    """

    steps: list[int]
    edges: set[tuple[int, int]]


class _Around(NamedTuple):
    """What encloses a statement: where `break` and `continue` go, and the `switch` that a `case` belongs to."""

    on_break: int | None
    on_continue: int | None
    switch: int | None


_NOTHING_AROUND = _Around(None, None, None)


class _FlowBuilder:
    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        # Statements that wait, each with the step that comes after it.
        self._waiting: list[tuple[int, int | None, _Around]] = []
        self._heads: dict[int, int] = {}
        self._gotos: list[tuple[int, int]] = []
        self._labels: dict[int, int] = {}
        self._switches_with_default: set[int] = set()
        self._switches: list[tuple[int, int | None]] = []
        self.steps: list[int] = []
        self.edges: set[tuple[int, int]] = set()

    def build(self) -> None:
        self._sequence(self._inside(0), None, _NOTHING_AROUND)
        code, waiting = self._syntax.code, self._waiting
        while waiting:
            node, after, around = waiting.pop()
            self.steps.append(node)
            _VISITS.get(code[node], _FlowBuilder._visit_block)(self, node, after, around)
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
        code, fields, stop = self._syntax.code, self._syntax.field, self._syntax.stop
        found = []
        child, end = node + 1, stop[node]
        while child < end:
            if field is not None and fields[child] != field and self._syntax.parent[child] == node:
                child = stop[child]
            elif code[child] in STATEMENTS:
                found.append(child)
                child = stop[child]
            elif code[child] in CONTAINERS:
                child += 1
            else:
                child = stop[child]
        return found

    def _child(self, node: int, field: Field) -> int | None:
        fields, stop = self._syntax.field, self._syntax.stop
        child, end = node + 1, stop[node]
        while child < end:
            if fields[child] == field:
                return child
            child = stop[child]
        return None

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

    def _sequence(self, statements: list[int], after: int | None, around: _Around) -> int | None:
        """Queue statements that run one after another; return the step that runs first."""
        code = self._syntax.code
        for node in reversed(statements):
            self._waiting.append((node, after, around))
            after = self._head(node) if code[node] in STARTS_INSIDE else node
        return after

    def _visit_plain(self, node: int, after: int | None, _around: _Around) -> None:
        if after is not None and not self._never_returns(node):
            self.edges.add((node, after))

    def _never_returns(self, node: int) -> bool:
        call = node + 1
        syntax = self._syntax
        if syntax.stop[node] < call + 2 or syntax.code[call] not in CALL:
            return False
        return syntax.field[call + 1] == Field.FUNCTION and syntax.word(call + 1) in NEVER_RETURN

    def _visit_leave(self, node: int, after: int | None, around: _Around) -> None:
        """Add nothing: control leaves the function."""

    def _visit_block(self, node: int, after: int | None, around: _Around) -> None:
        self._link(node, self._sequence(self._inside(node), after, around))

    def _visit_if(self, node: int, after: int | None, around: _Around) -> None:
        self._link(node, self._sequence(self._inside(node, Field.CONSEQUENCE), after, around))
        self._link(node, self._sequence(self._inside(node, Field.ALTERNATIVE), after, around))

    def _visit_preprocessor_if(self, node: int, after: int | None, around: _Around) -> None:
        alternative = self._inside(node, Field.ALTERNATIVE)
        others = set(alternative)
        then = [child for child in self._inside(node) if child not in others]
        self._link(node, self._sequence(then, after, around))
        self._link(node, self._sequence(alternative, after, around))

    def _visit_loop(self, node: int, after: int | None, around: _Around) -> None:
        body = self._inside(node, Field.BODY)
        self._link(node, self._sequence(body, node, _Around(after, node, around.switch)))
        self._link(node, after)

    def _visit_for(self, node: int, after: int | None, around: _Around) -> None:
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
        self._link(node, self._sequence(body, again, _Around(after, again, around.switch)))
        if self._child(node, Field.CONDITION) is not None:
            self._link(node, after)

    def _visit_switch(self, node: int, after: int | None, around: _Around) -> None:
        self._switches.append((node, after))
        self._sequence(self._inside(node, Field.BODY), after, _Around(after, around.on_continue, node))

    def _visit_case(self, node: int, after: int | None, around: _Around) -> None:
        if around.switch is not None:
            self._link(around.switch, node)
            if self._child(node, Field.VALUE) is None:
                self._switches_with_default.add(around.switch)
        self._visit_block(node, after, around)

    def _visit_label(self, node: int, after: int | None, around: _Around) -> None:
        label = self._child(node, Field.LABEL)
        if label is not None:
            self._labels.setdefault(self._syntax.text[label], node)
        self._visit_block(node, after, around)

    def _visit_goto(self, node: int, _after: int | None, _around: _Around) -> None:
        label = self._child(node, Field.LABEL)
        if label is not None:
            self._gotos.append((node, self._syntax.text[label]))

    def _visit_break(self, node: int, _after: int | None, around: _Around) -> None:
        self._link(node, around.on_break)

    def _visit_continue(self, node: int, _after: int | None, around: _Around) -> None:
        self._link(node, around.on_continue)

    def _visit_try(self, node: int, after: int | None, around: _Around) -> None:
        for handler in self._syntax.children(node):
            if self._syntax.code[handler] in HANDLERS:
                self._waiting.append((handler, after, around))
                self._link(node, handler)
        self._link(node, self._sequence(self._inside(node, Field.BODY), after, around))

    def _visit_function(self, node: int, _after: int | None, _around: _Around) -> None:
        # Control never falls out of one function into the next.
        self._link(node, self._sequence(self._inside(node, Field.BODY), None, _NOTHING_AROUND))


_Visit = Callable[[_FlowBuilder, int, int | None, _Around], None]
_VISITS_BY_KINDS: tuple[tuple[frozenset[int], _Visit], ...] = (
    (PLAIN, _FlowBuilder._visit_plain),
    (LEAVES, _FlowBuilder._visit_leave),
    (IF, _FlowBuilder._visit_if),
    (PREPROCESSOR_IF, _FlowBuilder._visit_preprocessor_if),
    (LOOPS | DO, _FlowBuilder._visit_loop),
    (FOR, _FlowBuilder._visit_for),
    (SWITCH, _FlowBuilder._visit_switch),
    (CASE, _FlowBuilder._visit_case),
    (LABEL, _FlowBuilder._visit_label),
    (GOTO, _FlowBuilder._visit_goto),
    (BREAK, _FlowBuilder._visit_break),
    (CONTINUE, _FlowBuilder._visit_continue),
    (TRY, _FlowBuilder._visit_try),
    (FUNCTION, _FlowBuilder._visit_function),
)
_VISITS = {code: visit for kinds, visit in _VISITS_BY_KINDS for code in kinds}


def control_flow(syntax: Syntax) -> ControlFlow:
    """Return the control flow of every function in a syntax tree; pieces outside functions run in sequence."""
    if not syntax.code:
        return ControlFlow(steps=[], edges=set())
    builder = _FlowBuilder(syntax)
    builder.build()
    return ControlFlow(steps=sorted(set(builder.steps)), edges=builder.edges)
