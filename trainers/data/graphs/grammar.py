"""The C and C++ grammars in one numbering of node kinds.

Punctuation and comments leave the tree; parentheses hand their child to their parent; an operator becomes the
token of the expression that it makes, which keeps paths between operands short.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cache

import tree_sitter_c
import tree_sitter_cpp
from tree_sitter import Language

ERROR_KIND_ID = 65535
SKIPPED = -1
TRANSPARENT = -2
# Codes at and below are operators: the operator's text is OPERATORS[FIRST_OPERATOR - code].
FIRST_OPERATOR = -3

_OPERATORS = (
    "= += -= *= /= %= &= |= ^= <<= >>= + - * / % & | ^ ~ ! << >> < <= > >= == != && || ++ -- -> <=> "
    "and or not and_eq or_eq xor_eq xor bitand bitor compl"
)
OPERATORS = tuple(_OPERATORS.split())


class Grammar(StrEnum):
    """The languages that are tried."""

    C = "c"
    CPP = "cpp"


class Field(IntEnum):
    """The field names of both grammars that the analyses use; every other is OTHER."""

    NONE = 0
    OTHER = 1
    ALTERNATIVE = 2
    ARGUMENT = 3
    BODY = 4
    CONDITION = 5
    CONSEQUENCE = 6
    DECLARATOR = 7
    FIELD = 8
    FUNCTION = 9
    INITIALIZER = 10
    LABEL = 11
    LEFT = 12
    NAME = 13
    RIGHT = 14
    TYPE = 15
    UPDATE = 16
    VALUE = 17


LANGUAGES = {
    Grammar.C: Language(tree_sitter_c.language()),
    Grammar.CPP: Language(tree_sitter_cpp.language()),
}

_TRANSPARENT_KINDS = {"parenthesized_expression", "condition_clause"}
_SKIPPED_KINDS = {"comment", "string_content", "escape_sequence", "character", "raw_string_content"}


def _named_kinds(language: Language) -> set[str]:
    ids = range(language.node_kind_count)
    names = {
        language.node_kind_for_id(i) for i in ids if language.node_kind_is_named(i) and language.node_kind_is_visible(i)
    }
    return {name for name in names if name is not None} - _TRANSPARENT_KINDS - _SKIPPED_KINDS


# What a graph node can be; a kind's code is its place here.
KINDS: tuple[str, ...] = (
    *sorted(_named_kinds(LANGUAGES[Grammar.C]) | _named_kinds(LANGUAGES[Grammar.CPP])),
    "ERROR",
)
CODE_OF = {kind: code for code, kind in enumerate(KINDS)}


def codes(*kinds: str) -> frozenset[int]:
    """Return the codes of kinds by name."""
    return frozenset(CODE_OF[kind] for kind in kinds)


# Read as one piece: their children are punctuation or letters.
LEAF_KINDS = codes(
    "identifier",
    "field_identifier",
    "type_identifier",
    "namespace_identifier",
    "statement_identifier",
    "primitive_type",
    "sized_type_specifier",
    "storage_class_specifier",
    "type_qualifier",
    "number_literal",
    "char_literal",
    "string_literal",
    "raw_string_literal",
    "concatenated_string",
    "system_lib_string",
    "true",
    "false",
    "null",
    "this",
    "preproc_arg",
    "preproc_directive",
)
# A string's content is left to the text model; that it is a string is in the node's type.
WORDLESS_LEAVES = codes("string_literal", "raw_string_literal", "concatenated_string", "preproc_arg")
# A member access is a variable of its own, so its text is its name.
WORDED_KINDS = (LEAF_KINDS - WORDLESS_LEAVES) | codes("field_expression")

EXPRESSIONS_WITH_OPERATOR = codes(
    "assignment_expression",
    "binary_expression",
    "field_expression",
    "pointer_expression",
    "unary_expression",
    "update_expression",
)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """One grammar's node kinds and fields in the common numbering."""

    code_of_kind: Sequence[int]
    field_of_id: dict[int | None, int]


def _code(language: Language, kind_id: int) -> int:
    name = language.node_kind_for_id(kind_id)
    if name is None or not language.node_kind_is_visible(kind_id):
        return SKIPPED
    if not language.node_kind_is_named(kind_id):
        return FIRST_OPERATOR - OPERATORS.index(name) if name in OPERATORS else SKIPPED
    if name in _TRANSPARENT_KINDS:
        return TRANSPARENT
    return CODE_OF.get(name, SKIPPED)


def _field(name: str | None) -> int:
    return Field[name.upper()] if name is not None and name.upper() in Field.__members__ else Field.OTHER


@cache
def tables_of(grammar: Grammar) -> Tables:
    """Return the tables of one grammar."""
    language = LANGUAGES[grammar]
    # A list as long as there may be ids: every token of a source is looked up in it.
    code_of_kind = [SKIPPED] * (ERROR_KIND_ID + 1)
    code_of_kind[: language.node_kind_count] = [_code(language, i) for i in range(language.node_kind_count)]
    code_of_kind[ERROR_KIND_ID] = CODE_OF["ERROR"]
    ids = range(1, language.field_count + 1)
    field_of_id: dict[int | None, int] = {i: int(_field(language.field_name_for_id(i))) for i in ids}
    field_of_id[None] = int(Field.NONE)
    return Tables(code_of_kind=code_of_kind, field_of_id=field_of_id)
