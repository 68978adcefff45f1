"""Kinds of access to a variable: an occurrence reads it, assigns to it, or changes what it points to.

A definition is an identifier that gets a value; a read is every other occurrence. `p->f` and `s.f` are variables of
their own. Writing through `*p`, `p[i]` or `p[i].f`, or passing `&x` or a buffer to a function that fills it, changes
the content and keeps the variable's own value. What two pointers share is not followed.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from trainers.data.graphs.flow import CALL, IDENTIFIER, STATEMENTS
from trainers.data.graphs.grammar import KINDS, OPERATORS, Field, codes
from trainers.data.graphs.syntax import Syntax

MEMBER = codes("field_expression")
MEMBER_NAME = codes("field_identifier")
SUBSCRIPT = codes("subscript_expression")
POINTER = codes("pointer_expression")
ASSIGNMENT = codes("assignment_expression")
UPDATE = codes("update_expression")
ARGUMENTS = codes("argument_list")
BINARY = codes("binary_expression")
CAST = codes("cast_expression")
CONDITIONAL = codes("conditional_expression")
DECLARATORS = codes(
    "pointer_declarator",
    "array_declarator",
    "reference_declarator",
    "parenthesized_declarator",
    "attributed_declarator",
)
INIT_DECLARATOR = codes("init_declarator")
DECLARATIONS = codes("declaration", "parameter_declaration", "optional_parameter_declaration", "for_range_loop")
_DECLARING = DECLARATORS | INIT_DECLARATOR | DECLARATIONS
AMPERSAND, ASSIGN = OPERATORS.index("&"), OPERATORS.index("=")
ADDITIVE = frozenset(OPERATORS.index(operator) for operator in ("+", "-"))
LOGICAL = frozenset(OPERATORS.index(operator) for operator in ("&&", "||", "and", "or"))

# Library calls that change what an argument points to, by the argument's place. Freeing counts: whoever uses the
# pointer afterwards must see it.
MUTATORS: dict[bytes, frozenset[int]] = {
    name: frozenset(places)
    for names, places in (
        (b"strcpy strncpy strcat strncat strlcpy strlcat stpcpy memcpy memmove memset bzero wcscpy", {0}),
        (b"sprintf snprintf vsprintf vsnprintf gets fgets fread getcwd swprintf", {0}),
        (b"copy_from_user", {0}),
        (b"read recv recvfrom pread readlink", {1}),
        (b"scanf sscanf fscanf", {1, 2, 3, 4}),
        (b"free kfree vfree cfree g_free av_free av_freep realloc krealloc g_realloc fclose close", {0}),
        (b"strtok qsort", {0}),
    )
    for name in names.split()
}

# Where a variable may be more than read: for each kind of parent the fields.
_DEFINES: dict[frozenset[int], set[Field]] = {
    ASSIGNMENT | BINARY: {Field.LEFT},
    CAST: {Field.VALUE},
    UPDATE | SUBSCRIPT | POINTER: {Field.ARGUMENT},
    DECLARATORS: {Field.DECLARATOR, Field.NONE},
    INIT_DECLARATOR | DECLARATIONS: {Field.DECLARATOR},
    ARGUMENTS: {Field.NONE},
}
_FIELDS_THAT_DEFINE = [
    frozenset(int(field) for kinds, fields in _DEFINES.items() if kind in kinds for field in fields)
    for kind in range(len(KINDS))
]


class Definition(NamedTuple):
    """A variable gets a value.

    Args:
        node: The leaf that stands for the variable.
        key: The variable's number: that of its name, or of the text of a member access.
        content: Only what the variable points to is changed.
        certain: It takes place whenever its statement runs; else it ends no earlier definition.
        effective: The first node that is evaluated after it: a right-hand side still sees the value before.
    """

    node: int
    key: int
    content: bool
    certain: bool
    effective: int


@dataclass(kw_only=True)
class Accesses:
    """Every access of a function in source order.

    Args:
        definitions: Where a variable gets a value.
        reads: The leaves that are read; `read_keys` holds their variables.
        members: For each variable, the keys of the members that hang on it.
        certain: For each expression that was climbed from, whether it is evaluated whenever its statement runs.
    """

    definitions: list[Definition] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    read_keys: list[int] = field(default_factory=list)
    members: dict[int, set[int]] = field(default_factory=dict)
    certain: dict[int, bool] = field(default_factory=dict)

    def add_read(self, leaf: int, key: int) -> None:
        """Note that a variable is read."""
        self.reads.append(leaf)
        self.read_keys.append(key)


def accesses(syntax: Syntax) -> Accesses:
    """Return the access of every occurrence of a variable."""
    found = Accesses()
    code, parents = syntax.code, syntax.parent
    for node, kind in enumerate(code):
        whole = node
        if kind in MEMBER_NAME:
            whole = parents[node]
            if code[whole] not in MEMBER or not _is_plain_chain(syntax, found, whole):
                continue
        elif kind not in IDENTIFIER:
            continue
        if _is_just_read(syntax, whole):
            found.add_read(node, syntax.text[whole])
        else:
            _classify(syntax, found, node, whole)
    return found


def _is_just_read(syntax: Syntax, node: int) -> bool:
    """Return whether a variable's ancestors alone show that it gets no value."""
    parent = syntax.parent[node]
    kind = syntax.code[parent]
    if syntax.field[node] not in _FIELDS_THAT_DEFINE[kind]:
        return True
    if kind in ARGUMENTS:
        return syntax.word(syntax.parent[parent] + 1) not in MUTATORS
    return kind in BINARY and syntax.operator.get(parent) not in ADDITIVE


def _is_plain_chain(syntax: Syntax, found: Accesses, member: int) -> bool:
    """Return whether a member access is `a->b.c`; if so, note that it hangs on `a->b` and on `a`."""
    if not syntax.text[member]:
        return False
    base = member + 1
    while syntax.code[base] in MEMBER:
        base += 1
    if syntax.code[base] not in IDENTIFIER:
        return False
    for part in range(member + 1, base + 1):
        found.members.setdefault(syntax.text[part], set()).add(syntax.text[member])
    return True


def _classify(syntax: Syntax, found: Accesses, leaf: int, node: int) -> None:
    """Note one occurrence; `node` is the whole expression that names the variable."""
    parents, code, key = syntax.parent, syntax.code, syntax.text[node]
    if code[parents[node]] in _DECLARING:
        declared = _declaration_end(syntax, node)
        if declared is not None:
            found.definitions.append(Definition(leaf, key, content=False, certain=True, effective=declared))
            return
    place, content, address = _place_in(syntax, node)
    parent = parents[place]
    if code[parent] in ASSIGNMENT and syntax.field[place] == Field.LEFT:
        found.definitions.append(_definition(syntax, found, leaf, key, content, parent))
        if not content and syntax.operator.get(parent) == ASSIGN:
            return
    elif code[parent] in UPDATE:
        found.definitions.append(_definition(syntax, found, leaf, key, content, parent))
    elif code[parent] in ARGUMENTS and (call := parents[parent]) >= 0 and _changes(syntax, call, place, address):
        found.definitions.append(_definition(syntax, found, leaf, key, True, call))
    found.add_read(leaf, key)


def _place_in(syntax: Syntax, node: int) -> tuple[int, bool, bool]:
    """Climb from a variable to the whole expression that locates an object: `p` to `*(char *)(p + 1)`.

    Returns:
        The expression, whether it is what the variable points to, and whether its address is taken.
    """
    parents, fields, code = syntax.parent, syntax.field, syntax.code
    content = address = False
    while True:
        parent = parents[node]
        kind, field_, operator = code[parent], fields[node], syntax.operator.get(parent)
        if kind in SUBSCRIPT or kind in POINTER:
            if field_ != Field.ARGUMENT:
                break
            address = operator == AMPERSAND
            content = content or not address
        elif not (
            (kind in MEMBER and content and field_ == Field.ARGUMENT)
            or (kind in CAST and field_ == Field.VALUE)
            or (kind in BINARY and field_ == Field.LEFT and operator in ADDITIVE)
        ):
            break
        node = parent
    return node, content, address


def _definition(syntax: Syntax, found: Accesses, leaf: int, key: int, content: bool, expression: int) -> Definition:
    """Return the access that an assignment, an update or a call makes to a variable."""
    known = found.certain
    parents, fields, code = syntax.parent, syntax.field, syntax.code
    node, certain = expression, True
    passed = []
    while certain and (parent := parents[node]) >= 0 and code[parent] not in STATEMENTS:
        if node in known:
            certain = known[node]
            break
        passed.append(node)
        if code[parent] in BINARY:
            certain = fields[node] != Field.RIGHT or syntax.operator.get(parent) not in LOGICAL
        elif code[parent] in CONDITIONAL:
            certain = fields[node] == Field.CONDITION
        node = parent
    known.update(dict.fromkeys(passed, certain))
    return Definition(leaf, key, content=content, certain=certain, effective=syntax.stop[expression])


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


def _changes(syntax: Syntax, call: int, argument: int, address: bool) -> bool:
    """Return whether a call may change what an argument points to."""
    if syntax.code[call] not in CALL:
        return False
    if address:
        return True
    places = MUTATORS.get(syntax.word(call + 1))
    if places is None:
        return False
    child = syntax.parent[argument] + 1
    for place in range(max(places) + 1):
        if child == argument:
            return place in places
        child = syntax.stop[child]
    return False
