"""Data flow: which assignment may give the value that a later use sees (reaching definitions).

A definition is an identifier that gets a value; a use is every other occurrence. `p->f` and `s.f` are variables of
their own, ended by a new value of `p`. Writing through `*p` or `p[i]`, or passing `&x` or a buffer to a function that
fills it, changes the content: it adds to what reaches a use instead of ending the variable's definition, and
ends the content write before it, so the edges stay linear in the size of the function. Names are not scoped.

Source:
    Aho, Lam, Sethi, Ullman: Compilers, 2nd edition, section 9.2.4, with one bit per definition.
"""

from typing import NamedTuple

from trainers.data.graphs.flow import CALL, IDENTIFIER, ControlFlow
from trainers.data.graphs.grammar import OPERATORS, Field, codes
from trainers.data.graphs.syntax import Syntax

MEMBER = codes("field_expression")
MEMBER_NAME = codes("field_identifier")
SUBSCRIPT = codes("subscript_expression")
POINTER = codes("pointer_expression")
ASSIGNMENT = codes("assignment_expression")
UPDATE = codes("update_expression")
ARGUMENTS = codes("argument_list")
DECLARATORS = codes(
    "pointer_declarator",
    "array_declarator",
    "reference_declarator",
    "parenthesized_declarator",
    "attributed_declarator",
)
INIT_DECLARATOR = codes("init_declarator")
DECLARATIONS = codes("declaration", "parameter_declaration", "optional_parameter_declaration", "for_range_loop")
STAR, AMPERSAND, ASSIGN = OPERATORS.index("*"), OPERATORS.index("&"), OPERATORS.index("=")

# Library calls that change what an argument points to, by the argument's place. Freeing counts: whoever uses the
# pointer afterwards must see it.
MUTATORS: dict[bytes, frozenset[int]] = {
    name: frozenset(places)
    for names, places in (
        (b"strcpy strncpy strcat strncat strlcpy strlcat stpcpy memcpy memmove memset bzero wcscpy", {0}),
        (b"sprintf snprintf vsprintf vsnprintf gets fgets fread getcwd swprintf", {0}),
        (b"read recv recvfrom pread readlink copy_from_user", {0, 1}),
        (b"scanf sscanf fscanf", {1, 2, 3, 4}),
        (b"free kfree vfree cfree g_free av_free av_freep realloc krealloc g_realloc fclose close", {0}),
        (b"strtok qsort", {0}),
    )
    for name in names.split()
}


# Under any other parent a name is simply read.
MAY_DEFINE = ASSIGNMENT | UPDATE | SUBSCRIPT | POINTER | ARGUMENTS | DECLARATORS | INIT_DECLARATOR | DECLARATIONS


class _Definition(NamedTuple):
    node: int
    key: bytes
    ends_earlier: bool
    # First node that is evaluated after it: a right-hand side still sees the value before.
    effective: int


class _Access(NamedTuple):
    """One occurrence of a variable: the leaf that stands for it, its key, and whether it is read."""

    node: int
    key: bytes
    read: bool
    definition: _Definition | None


def owners(syntax: Syntax, flow: ControlFlow) -> list[int]:
    """Return for each node the statement that owns it: the nearest one above it, or itself; node 0 above all."""
    steps = set(flow.steps)
    owner: list[int] = []
    for node, parent in enumerate(syntax.parent):
        owner.append(node if node in steps or parent < 0 else owner[parent])
    return owner


def _declaration_end(syntax: Syntax, node: int) -> int | None:
    """Return where a declared name gets its value, or None when the node declares nothing."""
    parents, fields, code = syntax.parent, syntax.field, syntax.code
    effective = syntax.stop[node]
    while (parent := parents[node]) >= 0:
        kind = code[parent]
        if kind in DECLARATIONS:
            return effective if fields[node] == Field.DECLARATOR else None
        if kind in INIT_DECLARATOR:
            if fields[node] != Field.DECLARATOR:
                return None
            effective = syntax.stop[parent]
        elif kind not in DECLARATORS or (fields[node] not in (Field.DECLARATOR, Field.NONE)):
            return None
        node = parent
    return None


def _changed_by_call(syntax: Syntax, node: int) -> int | None:
    """Return the call that may change the content of the argument `node`, or None."""
    arguments = syntax.parent[node]
    call = syntax.parent[arguments] if arguments >= 0 else -1
    if call < 0 or syntax.code[arguments] not in ARGUMENTS or syntax.code[call] not in CALL:
        return None
    if syntax.code[node] in POINTER and syntax.operator[node] == AMPERSAND:
        return call
    places = MUTATORS.get(syntax.text[call + 1])
    if places is not None and syntax.children(arguments).index(node) in places:
        return call
    return None


def _access(syntax: Syntax, leaf: int, node: int, key: bytes) -> _Access:
    """Classify one occurrence: `node` is the whole expression that names the variable."""
    parents, fields, code = syntax.parent, syntax.field, syntax.code
    if code[node] in IDENTIFIER:
        declared = _declaration_end(syntax, node)
        if declared is not None:
            definition = _Definition(node=leaf, key=key, ends_earlier=True, effective=declared)
            return _Access(node=leaf, key=key, read=False, definition=definition)
    content = False
    while (parent := parents[node]) >= 0 and fields[node] == Field.ARGUMENT:
        if code[parent] not in SUBSCRIPT and (code[parent] not in POINTER or syntax.operator[parent] != STAR):
            break
        content = True
        node = parent
    if parent >= 0 and code[parent] in ASSIGNMENT and fields[node] == Field.LEFT:
        end, read = syntax.stop[parent], content or syntax.operator[parent] != ASSIGN
    elif parent >= 0 and code[parent] in UPDATE:
        end, read = syntax.stop[parent], True
    else:
        if parent >= 0 and code[parent] in POINTER and syntax.operator[parent] == AMPERSAND:
            node = parent
        call = _changed_by_call(syntax, node)
        if call is None:
            return _Access(node=leaf, key=key, read=True, definition=None)
        end, read, content = syntax.stop[call], True, True
    definition = _Definition(node=leaf, key=key, ends_earlier=not content, effective=end)
    return _Access(node=leaf, key=key, read=read, definition=definition)


def _root_variable(syntax: Syntax, member: int) -> bytes | None:
    """Return the variable at the bottom of `a->b.c`, or None when it is not a plain chain."""
    node = member
    while syntax.code[node] in MEMBER:
        node += 1
    return syntax.text[node] if syntax.code[node] in IDENTIFIER else None


def _accesses(syntax: Syntax) -> tuple[list[_Access], dict[bytes, set[bytes]]]:
    """List every access in source order, and the member keys that hang on each variable."""
    found: list[_Access] = []
    members: dict[bytes, set[bytes]] = {}
    code, parents, text = syntax.code, syntax.parent, syntax.text
    for node, kind in enumerate(code):
        if kind in IDENTIFIER:
            if code[parents[node]] in MAY_DEFINE:
                found.append(_access(syntax, node, node, text[node]))
            else:
                found.append(_Access(node, text[node], True, None))
        elif kind in MEMBER_NAME and syntax.code[syntax.parent[node]] in MEMBER:
            member = syntax.parent[node]
            root = _root_variable(syntax, member)
            if root is not None:
                key = syntax.text[member]
                members.setdefault(root, set()).add(key)
                found.append(_access(syntax, node, member, key))
    return found, members


class _Bits:
    """One bit per definition, and for each variable which bits it concerns."""

    def __init__(self, accesses: list[_Access], members: dict[bytes, set[bytes]]) -> None:
        self.definitions = [a.definition for a in accesses if a.definition is not None]
        self.bit = {definition.node: 1 << i for i, definition in enumerate(self.definitions)}
        self.of_key: dict[bytes, int] = {}
        self.content: dict[bytes, int] = {}
        for definition in self.definitions:
            bit = self.bit[definition.node]
            self.of_key[definition.key] = self.of_key.get(definition.key, 0) | bit
            if not definition.ends_earlier:
                self.content[definition.key] = self.content.get(definition.key, 0) | bit
        self.ended = {key: self._ended(key, members) for key in self.of_key}

    def _ended(self, key: bytes, members: dict[bytes, set[bytes]]) -> int:
        bits = self.of_key[key]
        for member in members.get(key, ()):
            bits |= self.of_key.get(member, 0)
        return bits

    def after(self, definition: _Definition, reaching: int) -> int:
        """Return what reaches past a definition."""
        ends = self.ended[definition.key] if definition.ends_earlier else self.content[definition.key]
        return (reaching & ~ends) | self.bit[definition.node]


def _by_statement(accesses: list[_Access], owner: list[int]) -> dict[int, list[_Access]]:
    groups: dict[int, list[_Access]] = {}
    for access in accesses:
        groups.setdefault(owner[access.node], []).append(access)
    return groups


def _reaching(flow: ControlFlow, groups: dict[int, list[_Access]], bits: _Bits) -> dict[int, int]:
    """Return which definitions reach the start of each statement."""
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for source, target in flow.edges:
        before.setdefault(target, []).append(source)
        after.setdefault(source, []).append(target)
    changes = {
        step: [a.definition for a in sorted(groups[step], key=_moment) if a.definition is not None]
        for step in flow.steps
        if step in groups
    }
    out = dict.fromkeys(flow.steps, 0)
    into = dict.fromkeys(flow.steps, 0)
    waiting = list(reversed(flow.steps))
    queued = set(waiting)
    while waiting:
        step = waiting.pop()
        queued.discard(step)
        reaching = 0
        for source in before.get(step, ()):
            reaching |= out[source]
        into[step] = reaching
        for definition in changes.get(step, ()):
            reaching = bits.after(definition, reaching)
        if reaching != out[step]:
            out[step] = reaching
            for target in reversed(after.get(step, ())):
                if target not in queued:
                    queued.add(target)
                    waiting.append(target)
    return into


def _moment(access: _Access) -> int:
    return access.node if access.definition is None else access.definition.effective


def _edges_in(accesses: list[_Access], reaching: int, bits: _Bits) -> list[tuple[int, int]]:
    """Go through one statement in evaluation order and connect each use with what reaches it."""
    edges: list[tuple[int, int]] = []
    pending: list[_Definition] = []
    for access in accesses:
        due = [d for d in pending if d.effective <= access.node]
        for definition in sorted(due, key=lambda d: d.effective):
            reaching = bits.after(definition, reaching)
            pending.remove(definition)
        if access.read:
            seen = reaching & bits.of_key.get(access.key, 0)
            while seen:
                lowest = seen & -seen
                edges.append((bits.definitions[lowest.bit_length() - 1].node, access.node))
                seen ^= lowest
        if access.definition is not None:
            pending.append(access.definition)
    return edges


def data_flow(syntax: Syntax, flow: ControlFlow, owner: list[int]) -> list[tuple[int, int]]:
    """Return the edges from definitions to the uses that they reach, sorted.

    Args:
        owner: For each node, the statement that owns it.
    """
    accesses, members = _accesses(syntax)
    bits = _Bits(accesses, members)
    if not bits.definitions:
        return []
    # A use of a variable that is never given a value here has no edges to find.
    relevant = [a for a in accesses if a.definition is not None or a.key in bits.of_key]
    groups = _by_statement(relevant, owner)
    into = _reaching(flow, groups, bits)
    edges: set[tuple[int, int]] = set()
    for step, group in groups.items():
        edges.update(_edges_in(group, into.get(step, 0), bits))
    return sorted(edges)
