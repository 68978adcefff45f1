"""Data flow: which assignment may give the value that a later use sees (reaching definitions).

A new value of a variable ends its earlier definitions, and those of its members. A change of content adds to what
reaches a use instead, and ends the content change before it, so the edges stay linear in the size of the function.
What `&&`, `||` or `?:` may skip ends nothing. Names are not scoped.

Source:
    Aho, Lam, Sethi, Ullman: Compilers, 2nd edition, section 9.2.4, with one bit per definition.
"""

from collections import defaultdict

from trainers.data.graphs.accesses import Accesses, accesses
from trainers.data.graphs.flow import ControlFlow
from trainers.data.graphs.syntax import Syntax


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


def data_flow(syntax: Syntax, flow: ControlFlow, owner: list[int]) -> list[tuple[int, int]]:
    """Return the edges from definitions to the uses that they reach, in no order.

    Args:
        owner: For each node, the statement that owns it.
    """
    found = accesses(syntax)
    if not found.definitions:
        return []
    bits = _Bits(found)
    definitions = _by_statement(found, owner)
    into = _reaching(flow, {step: bits.change(places) for step, places in definitions.items()})
    return _edges(found, bits, definitions, into, owner)


def _by_statement(found: Accesses, owner: list[int]) -> dict[int, list[int]]:
    """Return the places of each statement's definitions, in the order in which they take effect."""
    groups: dict[int, list[int]] = {}
    for place, definition in enumerate(found.definitions):
        groups.setdefault(owner[definition.node], []).append(place)
    for places in groups.values():
        if len(places) > 1:
            places.sort(key=lambda place: found.definitions[place].effective)
    return groups


def _reaching(flow: ControlFlow, changes: dict[int, tuple[int, int]]) -> dict[int, int]:
    """Return which definitions reach the start of each statement.

    Goes over the statements in source order, again only when something went back to an earlier one.
    """
    before: dict[int, list[int]] = {step: [] for step in flow.steps}
    goes_back = set()
    for source, target in flow.edges:
        before[target].append(source)
        if target <= source:
            goes_back.add(source)
    into = dict.fromkeys(flow.steps, 0)
    out = dict.fromkeys(flow.steps, 0)
    unsettled = True
    while unsettled:
        unsettled = False
        for step, sources in before.items():
            reaching = 0
            for source in sources:
                reaching |= out[source]
            into[step] = reaching
            if step in changes:
                kept, added = changes[step]
                reaching = reaching & kept | added
            if reaching != out[step]:
                out[step] = reaching
                unsettled = unsettled or step in goes_back
    return into


def _edges(
    found: Accesses, bits: _Bits, definitions: dict[int, list[int]], into: dict[int, int], owner: list[int]
) -> list[tuple[int, int]]:
    """Connect each read with the definitions that reach it, those earlier in its own statement included."""
    edges: list[tuple[int, int]] = []
    of_key, made = bits.of_key, found.definitions
    for leaf, key in zip(found.reads, found.read_keys, strict=True):
        if key not in of_key:
            continue
        step = owner[leaf]
        reaching = into.get(step, 0)
        for place in definitions.get(step, ()):
            if made[place].effective > leaf:
                break
            reaching = reaching & bits.kept[place] | 1 << place
        seen = reaching & of_key[key]
        while seen:
            place = seen.bit_length() - 1
            edges.append((made[place].node, leaf))
            seen ^= 1 << place
    return edges
