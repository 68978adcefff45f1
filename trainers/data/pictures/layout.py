"""Where everything of a function's picture goes: its rows, and the lanes beside them that carry the edges."""

from collections import defaultdict
from dataclasses import dataclass

from trainers.data.graphs.grammar import KINDS, OPERATORS
from trainers.data.pictures.view import View

# From so many jumps on, as of a `switch`, they leave in one lane; fewer are gathered where they arrive.
MANY_JUMPS = 3


@dataclass(frozen=True, kw_only=True)
class NodeLine:
    """One node as it is shown: a line of its own, indented by what it is inside of."""

    node: int
    depth: int
    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Wire:
    """Edges that share a lane beside the rows: all have the same start or the same end."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    name: str = ""

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last row that it passes."""
        rows = (*self.starts, *self.ends)
        return min(rows), max(rows)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A picture before it is drawn.

    Args:
        rows: What is shown, from top to bottom.
        steps: Rows that control goes to from the row above.
        jumps: Every other edge of control.
        values: Edges of data flow from one row to others.
        own_values: For a row, the variables whose value it both gives and uses.
        parents: For each row the row of its syntax parent, or -1; only when every node has a row.
        leaves: Rows of tokens in their order; only when every node has a row.
    """

    rows: list[NodeLine]
    steps: list[int]
    jumps: list[Wire]
    values: list[Wire]
    own_values: dict[int, list[str]]
    parents: list[int]
    leaves: list[int]


def layout_of(view: View, *, every_node: bool) -> Layout:
    """Lay out a function: a row for each statement, or for each node of its graph."""
    rows = _node_rows(view) if every_node else _statement_rows(view)
    place = {row.node: number for number, row in enumerate(rows)}
    # A value may be given or used outside every statement, as in a piece of code that is no function.
    shown = list(range(len(rows))) if every_node else [place.get(owner, 0) for owner in view.owner]
    values: dict[tuple[int, str], set[int]] = defaultdict(set)
    own_values: dict[int, list[str]] = defaultdict(list)
    for definition, use in view.values:
        start, end, name = shown[definition], shown[use], view.variable(definition)
        if start != end:
            values[start, name].add(end)
        elif name not in own_values[start]:
            own_values[start].append(name)
    stop = view.syntax.stop
    return Layout(
        rows=rows,
        steps=[place[end] for start, end in view.flow if place[end] == place[start] + 1],
        jumps=_jumps([(place[start], place[end]) for start, end in view.flow if place[end] != place[start] + 1]),
        values=[Wire(starts=(start,), ends=tuple(sorted(ends)), name=name) for (start, name), ends in values.items()],
        own_values=dict(own_values),
        parents=view.syntax.parent if every_node else [],
        leaves=[node for node in range(1, len(stop)) if stop[node] == node + 1] if every_node else [],
    )


def _statement_rows(view: View) -> list[NodeLine]:
    depths: dict[int, int] = {}
    rows = []
    for node in view.statements:
        above = view.owner[view.syntax.parent[node]]
        depths[node] = depths.get(above, -1) + 1
        rows.append(NodeLine(node=node, depth=depths[node], line=view.line(node), text=view.text(node)))
    return rows or _node_rows(view)[:1]


def _node_rows(view: View) -> list[NodeLine]:
    syntax = view.syntax
    rows: list[NodeLine] = []
    for node, (kind, parent) in enumerate(zip(syntax.code, syntax.parent, strict=True)):
        operator = syntax.operator.get(node)
        word = OPERATORS[operator] if operator is not None else syntax.word(node).decode(errors="replace")
        depth = rows[parent].depth + 1 if parent >= 0 else 0
        rows.append(NodeLine(node=node, depth=depth, line=view.line(node), text=f"{KINDS[kind]}  {word}".rstrip()))
    return rows


def _jumps(edges: list[tuple[int, int]]) -> list[Wire]:
    from_row: dict[int, list[int]] = defaultdict(list)
    for start, end in edges:
        from_row[start].append(end)
    wires = []
    # Forward and backward jumps to one place stay apart: they are drawn differently.
    to_row: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for start, ends in from_row.items():
        if len(ends) >= MANY_JUMPS:
            wires.append(Wire(starts=(start,), ends=tuple(ends)))
            continue
        for end in ends:
            to_row[end, end > start].append(start)
    return [*wires, *(Wire(starts=tuple(starts), ends=(end,)) for (end, _), starts in to_row.items())]


def lanes_of(wires: list[Wire]) -> list[int]:
    """Return a lane for each wire, 0 next to the rows: no two in one lane pass the same row, short ones inside."""
    lanes = [0] * len(wires)
    taken: list[list[tuple[int, int]]] = []
    for place in sorted(range(len(wires)), key=lambda place: wires[place].span[1] - wires[place].span[0]):
        first, last = wires[place].span
        free = (lane for lane, spans in enumerate(taken) if all(last < a or b < first for a, b in spans))
        lanes[place] = next(free, len(taken))
        if lanes[place] == len(taken):
            taken.append([])
        taken[lanes[place]].append((first, last))
    return lanes
