"""What each occurrence of a variable does: read it, give it a value, or change what it points to.

A definition is an identifier that gets a value; a read is every other occurrence. `p->f` and `s.f` are variables of
their own. Writing through `*p` or `p[i]`, or passing `&x` or a buffer to a function that fills it, changes the content
and keeps the variable's own value.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from trainers.data.graphs.flow import CALL, IDENTIFIER
from trainers.data.graphs.grammar import KINDS, OPERATORS, Field, codes
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
_DECLARING = DECLARATORS | INIT_DECLARATOR | DECLARATIONS
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

# Where a name may be more than read: for each kind of parent the fields.
_DEFINES: dict[frozenset[int], set[Field]] = {
    ASSIGNMENT: {Field.LEFT},
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
        effective: The first node that is evaluated after it: a right-hand side still sees the value before.
    """

    node: int
    key: int
    content: bool
    effective: int


@dataclass(kw_only=True)
class Accesses:
    """Every access of a function in source order.

    Args:
        definitions: Where a variable gets a value.
        reads: The leaves that are read; `read_keys` says of which variable.
        members: For each variable, the keys of the members that hang on it.
    """

    definitions: list[Definition] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    read_keys: list[int] = field(default_factory=list)
    members: dict[int, set[int]] = field(default_factory=dict)

    def add_read(self, leaf: int, key: int) -> None:
        """Note that a variable is read."""
        self.reads.append(leaf)
        self.read_keys.append(key)


def accesses(syntax: Syntax) -> Accesses:
    """Return what every occurrence of a variable does."""
    found = Accesses()
    code, parents, fields, text = syntax.code, syntax.parent, syntax.field, syntax.text
    for node, kind in enumerate(code):
        if kind in IDENTIFIER:
            if fields[node] in _FIELDS_THAT_DEFINE[code[parents[node]]]:
                _classify(syntax, found, node, node)
            else:
                found.add_read(node, text[node])
        elif kind in MEMBER_NAME and code[parents[node]] in MEMBER:
            member = parents[node]
            root = _root_variable(syntax, member)
            if root is not None:
                found.members.setdefault(root, set()).add(text[member])
                _classify(syntax, found, node, member)
    return found


def _root_variable(syntax: Syntax, member: int) -> int | None:
    """Return the variable at the bottom of `a->b.c`, or None when it is not a plain chain."""
    node = member
    while syntax.code[node] in MEMBER:
        node += 1
    return syntax.text[node] if syntax.code[node] in IDENTIFIER else None


def _classify(syntax: Syntax, found: Accesses, leaf: int, node: int) -> None:
    """Note one occurrence; `node` is the whole expression that names the variable."""
    parents, fields, code = syntax.parent, syntax.field, syntax.code
    key = syntax.text[node]
    if code[parents[node]] in _DECLARING:
        declared = _declaration_end(syntax, node)
        if declared is not None:
            found.definitions.append(Definition(leaf, key, False, declared))
            return
    content = False
    while (parent := parents[node]) >= 0 and fields[node] == Field.ARGUMENT:
        if code[parent] not in SUBSCRIPT and (code[parent] not in POINTER or syntax.operator.get(parent) != STAR):
            break
        content = True
        node = parent
    if parent >= 0 and code[parent] in ASSIGNMENT and fields[node] == Field.LEFT:
        found.definitions.append(Definition(leaf, key, content, syntax.stop[parent]))
        if not content and syntax.operator.get(parent) == ASSIGN:
            return
    elif parent >= 0 and code[parent] in UPDATE:
        found.definitions.append(Definition(leaf, key, content, syntax.stop[parent]))
    else:
        if parent >= 0 and code[parent] in POINTER and syntax.operator.get(parent) == AMPERSAND:
            node = parent
        call = _changed_by_call(syntax, node)
        if call is not None:
            found.definitions.append(Definition(leaf, key, True, syntax.stop[call]))
    found.add_read(leaf, key)


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
    if syntax.code[node] in POINTER and syntax.operator.get(node) == AMPERSAND:
        return call
    places = MUTATORS.get(syntax.word(call + 1))
    if places is not None and syntax.children(arguments).index(node) in places:
        return call
    return None
