"""Data flow: which assignment may give the value that a later use sees (reaching definitions).

A new value of a variable ends its earlier definitions, and those of its members. A change of content adds to what
reaches a use instead, and ends the content change before it, so the edges stay linear in the size of the function.
What `&&`, `||` or `?:` may skip ends nothing. Names are not scoped.

The work is bounded by the function's size: a function whose data flow needs more has none. No function of a published
set does; thousands of nested loops, or of assignments that each may be skipped, do.

Source:
    Aho, Lam, Sethi, Ullman: Compilers, 2nd edition, section 9.2.4, with one bit per definition.
"""

import heapq
from collections import defaultdict
from collections.abc import Mapping

from trainers.data.graphs.accesses import Accesses, accesses
from trainers.data.graphs.flow import ControlFlow
from trainers.data.graphs.syntax import Syntax

# Of each of these, so many times the function's nodes at most. Of 5,000 functions of Devign, none has more than one
# edge of data flow for each node.
MAX_EDGES_PER_NODE = 32
MAX_WORK_PER_NODE = 1_024
# A visit costs as much as that many words of 64 definitions.
VISIT_WORDS = 64
# Of the sets of definitions, one for each statement, twice: quadratic, but with a factor of 1/64 of a byte.
MAX_SET_BYTES = 256 << 20
_SMALLEST = 1_000


def owners(syntax: Syntax, flow: ControlFlow) -> list[int]:
    """Return for each node the statement that owns it: the nearest one above it, or itself; node 0 above all."""
    steps = set(flow.steps)
    owner: list[int] = []
    for node, parent in enumerate(syntax.parent):
        owner.append(node if node in steps or parent < 0 else owner[parent])
    return owner


class _Bits:
    """One bit per definition, and for each variable which bits it concerns."""

    def __init__(self, found: Accesses) -> None:
        self.definitions = found.definitions
        self.of_key: dict[int, int] = defaultdict(int)
        content: dict[int, int] = defaultdict(int)
        for place, definition in enumerate(self.definitions):
            self.of_key[definition.key] |= 1 << place
            if definition.content:
                content[definition.key] |= 1 << place
        ended = {key: self._with_members(key, found) for key in self.of_key}
        # What stays past each definition, itself left out.
        self.kept = [~(content if d.content else ended)[d.key] if d.certain else ~0 for d in self.definitions]

    def _with_members(self, key: int, found: Accesses) -> int:
        bits = self.of_key[key]
        for member in found.members.get(key, ()):
            bits |= self.of_key.get(member, 0)
        return bits

    def change(self, places: list[int]) -> tuple[int, int]:
        """Return the incoming definitions that a sequence of definitions preserves, and those that it generates."""
        kept, added = ~0, 0
        for place in places:
            kept &= self.kept[place]
            added = added & self.kept[place] | 1 << place
        return kept, added


def data_flow(syntax: Syntax, flow: ControlFlow, owner: list[int]) -> list[tuple[int, int]] | None:
    """Return the edges from definitions to the uses that they reach, in no order; None where that costs too much.

    Args:
        owner: For each node, the statement that owns it.
    """
    found = accesses(syntax)
    if not found.definitions:
        return []
    if len(flow.steps) * len(found.definitions) // 4 > MAX_SET_BYTES:
        return None
    bits = _Bits(found)
    definitions = _by_statement(found, owner)
    nodes = max(len(syntax.code), _SMALLEST)
    visits = MAX_WORK_PER_NODE * nodes // (VISIT_WORDS + len(found.definitions) // 64)
    into = _reaching(flow, {step: bits.change(places) for step, places in definitions.items()}, most_visits=visits)
    if into is None:
        return None
    return _edges(found, bits, definitions, into, owner, most=MAX_EDGES_PER_NODE * nodes)


def _by_statement(found: Accesses, owner: list[int]) -> dict[int, list[int]]:
    """Return the places of each statement's definitions, in the order in which they take effect."""
    groups: dict[int, list[int]] = {}
    for place, definition in enumerate(found.definitions):
        groups.setdefault(owner[definition.node], []).append(place)
    for places in groups.values():
        if len(places) > 1:
            places.sort(key=lambda place: found.definitions[place].effective)
    return groups


def _reaching(flow: ControlFlow, changes: Mapping[int, tuple[int, int]], *, most_visits: int) -> dict[int, int] | None:
    """Return which definitions reach the start of each statement; None after too many visits.

    Goes over the statements once in source order, then only to those that something new has reached, the first of them
    in the source first. What reaches a statement only grows, so each hands on what is new: a loop's head with hundreds
    of `continue` costs no more than another statement.
    """
    after: dict[int, list[int]] = {step: [] for step in flow.steps}
    for source, target in flow.edges:
        after[source].append(target)
    into = dict.fromkeys(flow.steps, 0)
    out = dict.fromkeys(flow.steps, 0)
    waiting: list[int] = []
    is_waiting: set[int] = set()

    def visit(step: int, *, until: int) -> int:
        """Hand on what is new; have those of the targets visited again that stand no further than `until`."""
        reaching = into[step]
        if step in changes:
            kept, added = changes[step]
            reaching = reaching & kept | added
        if reaching == out[step]:
            return 1
        out[step] = reaching
        for target in after[step]:
            joined = into[target] | reaching
            if joined != into[target]:
                into[target] = joined
                if target <= until and target not in is_waiting:
                    is_waiting.add(target)
                    heapq.heappush(waiting, target)
        return 1 + len(after[step])

    for step in after:
        # What follows in the source is visited anyway.
        visit(step, until=step)
    visits, last = 0, flow.steps[-1] if flow.steps else 0
    while waiting:
        step = heapq.heappop(waiting)
        is_waiting.discard(step)
        visits += visit(step, until=last)
        if visits > most_visits:
            return None
    return into


def _edges(
    found: Accesses,
    bits: _Bits,
    definitions: dict[int, list[int]],
    into: dict[int, int],
    owner: list[int],
    *,
    most: int,
) -> list[tuple[int, int]] | None:
    """Connect each read with the definitions that reach it, those earlier in its own statement included.

    Returns:
        The edges; None when there are more than `most`.
    """
    edges: list[tuple[int, int]] = []
    of_key, made = bits.of_key, found.definitions
    # Reads come in source order, so in each statement the definitions before a read are those before the last one, and
    # perhaps more: how many, and what they let through.
    passed: dict[int, tuple[int, int]] = {}
    for leaf, key in zip(found.reads, found.read_keys, strict=True):
        if key not in of_key:
            continue
        step = owner[leaf]
        if step in definitions:
            number, reaching = passed.get(step) or (0, into.get(step, 0))
            places = definitions[step]
            while number < len(places) and made[places[number]].effective <= leaf:
                place = places[number]
                reaching = reaching & bits.kept[place] | 1 << place
                number += 1
            passed[step] = number, reaching
        else:
            reaching = into.get(step, 0)
        seen = reaching & of_key[key]
        if len(edges) + seen.bit_count() > most:
            return None
        while seen:
            place = seen.bit_length() - 1
            edges.append((made[place].node, leaf))
            seen ^= 1 << place
    return edges
