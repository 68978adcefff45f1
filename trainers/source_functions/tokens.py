"""The head of a definition as tokens: what stands in parentheses, in angles and in brackets is one token each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a token is."""

    WORD = auto()
    GROUP = auto()
    ANGLES = auto()
    BRACKETS = auto()
    STRING = auto()
    PATH = auto()
    ARROW = auto()
    COLON = auto()
    EQUALS = auto()
    OPERATOR = auto()
    SIGN = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token and where it stands.

    Args:
        text: Of what encloses others only the first sign; of an operator's name no more white space than needed.
    """

    kind: Kind
    text: bytes
    start: int
    end: int


# Letters may be written by their number: caf\\u00e9.
_TOKEN = re.compile(rb'(?:[\w$\x80-\xff]++|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})++|::|->|[=!<>]=|"[^"\n]*"?|[^\s\w]')
_OPERATOR = re.compile(
    rb'\s*(\(\s*\)|\[\s*\]|""\s*[\w$\x80-\xff]*|->\*?|<=>|[-+*/%^&|~!=<>,]+|(?:new|delete)\b(?:\s*\[\s*\])?)'
)
_KINDS: Mapping[bytes, Kind] = {b"::": Kind.PATH, b"->": Kind.ARROW, b":": Kind.COLON, b"=": Kind.EQUALS}
_OPENS = re.compile(rb"\s*\(")
_UPPER = re.compile(rb"[A-Z_][A-Z0-9_]+\Z")

# What begins a statement in C; further words do in C++ alone, and are names in C.
STATEMENT_WORDS = frozenset(
    {b"if", b"for", b"while", b"switch", b"else", b"do", b"return", b"case", b"default", b"goto", b"break"}
    | {b"continue", b"sizeof"}
)
CPP_STATEMENT_WORDS = frozenset({b"catch", b"throw", b"delete", b"new", b"try"})
# What may stand before a definition without being its type.
STORAGE_WORDS = frozenset(
    {b"static", b"inline", b"extern", b"constexpr", b"consteval", b"constinit", b"virtual", b"explicit", b"friend"}
    | {b"typedef", b"register", b"mutable", b"thread_local", b"const", b"volatile", b"__inline", b"__inline__"}
    | {b"__forceinline", b"__extension__", b"_Noreturn", b"noreturn", b"__global__", b"__device__", b"__host__"}
)
# What may stand behind parameters.
QUALIFIERS = frozenset({b"override", b"final", b"noexcept", b"const", b"volatile", b"try"})
TYPE_WORDS = frozenset(
    {b"void", b"int", b"char", b"short", b"long", b"float", b"double", b"signed", b"unsigned", b"bool", b"_Bool"}
    | {b"auto", b"struct", b"union", b"enum", b"class", b"typename", b"wchar_t", b"size_t"}
)
# Types that are written with parentheses.
TYPE_CALLS = frozenset(
    {b"decltype", b"typeof", b"__typeof__", b"__typeof", b"typeof_unqual", b"_Atomic", b"_BitInt", b"__underlying_type"}
)
# What takes parentheses and is no function's name.
ATTRIBUTE_CALLS = frozenset(
    {b"__attribute__", b"__attribute", b"__declspec", b"alignas", b"_Alignas", b"noexcept", b"throw", b"asm", b"__asm"}
    | {b"__asm__", b"_Pragma", b"__pragma", b"explicit", b"__launch_bounds__", b"requires", b"static_assert"}
    | {b"_Static_assert"}
)
# Of these what stands by itself before a function.
PRAGMAS = frozenset({b"_Pragma", b"__pragma"})


def is_upper(word: bytes) -> bool:
    """Return whether a word is written as macros are: in capitals, of more than one letter."""
    return _UPPER.match(word) is not None and not word.startswith(b"__")


def tokens_of(text: bytes, start: int, end: int, groups: Mapping[int, int]) -> list[Token]:
    """Return the tokens of a part of a skeleton.

    Args:
        groups: Where each outermost parenthesis, or block, closes, by where it opens; one that is not there is a sign.
    """
    tokens: list[Token] = []
    open_angles: list[int] = []
    open_brackets: list[int] = []
    place = start
    while (found := _TOKEN.search(text, place, end)) is not None:
        word, begin, place = found.group(), found.start(), found.end()
        first = word[0]
        if word in (b"(", b"{"):
            place = groups.get(begin, place)
            tokens.append(Token(Kind.GROUP if begin in groups else Kind.SIGN, word, begin, place))
        elif word == b"operator" and (name := _operator(text, place, end, groups)) is not None:
            place = name.end
            tokens.append(Token(Kind.OPERATOR, name.text, begin, place))
        elif first in b"<[":
            (open_angles if first == ord("<") else open_brackets).append(len(tokens))
            tokens.append(Token(Kind.SIGN, word, begin, place))
        elif first in b">]" and (opened := open_angles if first == ord(">") else open_brackets):
            inner = opened.pop()
            if inner < len(tokens):
                begin = tokens[inner].start
                del tokens[inner:]
            kind = Kind.ANGLES if first == ord(">") else Kind.BRACKETS
            tokens.append(Token(kind, word, begin, place))
        else:
            tokens.append(Token(_kind_of(word, first), word, begin, place))
    return tokens


def _kind_of(word: bytes, first: int) -> Kind:
    if first == ord('"'):
        return Kind.STRING
    # Digits, letters, `_`, `$`, what UTF-8 makes letters of, and letters by their number.
    is_word = first >= 128 or chr(first).isalnum() or first in b"_$" or (first == ord("\\") and len(word) > 1)
    return Kind.WORD if is_word else _KINDS.get(word, Kind.SIGN)


def _operator(text: bytes, place: int, end: int, groups: Mapping[int, int]) -> Token | None:
    """Return the name of an operator from behind its first word; null where the word is a plain name, as C allows."""
    found = _OPERATOR.match(text, place, end)
    if found is not None:
        sign = b"".join(found.group(1).split())
        if sign == b"()" and _OPENS.match(text, found.end(), end) is None:
            return None
        sign = (b" " if sign[:1].isalpha() else b"") + sign
        return Token(Kind.OPERATOR, b"operator" + sign, place, found.end())
    # A conversion: its type up to the parameters.
    opening = next((one for one in groups if one >= place), end)
    kind = b" ".join(text[place:opening].split())
    return Token(Kind.OPERATOR, b"operator " + kind, place, opening) if kind and opening < end else None
