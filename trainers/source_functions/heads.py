"""What a brace opens, by the words before it: a scope, a function, a value, or something that is not understood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from trainers.source_functions.declarators import declarator_in, start_of, with_attributes
from trainers.source_functions.tokens import (
    ATTRIBUTE_CALLS,
    CPP_STATEMENT_WORDS,
    STATEMENT_WORDS,
    Kind,
    Token,
    is_upper,
    tokens_of,
)

# Of a longer head only the end is read.
MAX_HEAD_BYTES = 1 << 16
CLASS_WORDS = frozenset({b"class", b"struct", b"union"})
ACCESS_WORDS = frozenset({b"public", b"protected", b"private", b"signals", b"slots", b"Q_SIGNALS", b"Q_SLOTS"})
OBJECTIVE_C_SECTIONS = frozenset({b"implementation", b"interface", b"protocol"})


class Opens(Enum):
    """What a brace opens."""

    SCOPE = auto()
    FUNCTION = auto()
    MEMBER = auto()
    REQUIREMENT = auto()
    DECLARATION = auto()
    NOTHING = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, kw_only=True)
class Head:
    """What was read before a brace.

    Args:
        name: Of the scope or the function; empty where it has none.
        start: Of a function, where it begins.
        is_try: The function's body is a `try`.
    """

    opens: Opens
    name: str = ""
    start: int = 0
    is_try: bool = False


def read_head(text: bytes, start: int, end: int, groups: Mapping[int, int], *, scope: str) -> Head:
    """Return what the brace at the end of a head opens.

    Args:
        groups: Where each parenthesis of the head closes, by where it opens.
        scope: The name of the class around; empty where there is none.
    """
    whole = tokens_of(text, max(start, end - MAX_HEAD_BYTES), end, groups)
    tokens = _without_front(text, whole)
    if not tokens:
        # Behind a section of Objective-C stand its class's variables.
        return Head(opens=Opens.DECLARATION if whole else Opens.NOTHING)
    if tokens[0].text in (b"-", b"+") and len(tokens) > 2 and tokens[1].kind is Kind.GROUP:
        return _method(tokens)
    front = _template_end(tokens)
    if front == len(tokens) or _ends_in_requirement(tokens):
        return Head(opens=Opens.REQUIREMENT)
    declared = tokens[front:]
    if declared[0].text in STATEMENT_WORDS | CPP_STATEMENT_WORDS and declared[-1].text != b"try":
        return Head(opens=Opens.UNKNOWN)
    scoped = _scope(text, declared)
    if scoped is not None:
        return scoped
    if any(token.kind is Kind.EQUALS for token in declared):
        return Head(opens=Opens.DECLARATION)
    return _function(text, whole, tokens, declared, scope=scope)


def _ends_in_requirement(tokens: Sequence[Token]) -> bool:
    """Return whether a head ends in `requires`, or in `requires (…)` as a part of a constraint: a block follows."""
    if tokens[-1].text == b"requires":
        return True
    words = [token.text for token in tokens]
    if tokens[-1].text != b"(" or words[-2:-1] != [b"requires"]:
        return False
    return words[-3:-2] == [b"requires"] or (words[-3:-2] in ([b"&"], [b"|"], [b"!"]) and b"requires" in words[:-3])


def _without_front(text: bytes, tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens behind access labels, `extern "C"` before more words, `export` and Objective-C's sections.

    Of brackets those stay that say of what size the array is that a function gives back: `(*f(void))[3]`.
    """
    first = 0
    for place, token in enumerate(tokens):
        if token.text == b"@" and place + 1 < len(tokens):
            first = place + 2
            if tokens[place + 1].text in OBJECTIVE_C_SECTIONS:
                first = _section_end(tokens, first)
        elif place > 0 and token.kind is Kind.COLON and tokens[place - 1].text in ACCESS_WORDS:
            first = place + 1
    while first < len(tokens) - 1:
        is_linkage = tokens[first].text == b"extern" and tokens[first + 1].kind is Kind.STRING
        if is_linkage and first + 2 < len(tokens):
            first += 2
        elif tokens[first].text in (b"export", b","):
            first += 1
        elif tokens[first].kind is Kind.WORD and tokens[first + 1].kind is Kind.COLON:
            # A macro for an access label.
            first += 2
        else:
            break
    return [
        token
        for before, token in zip([None, *tokens[first:]], tokens[first:], strict=False)
        if token.kind is not Kind.BRACKETS
        or (before is not None and before.kind is Kind.GROUP and not text.startswith(b"[[", token.start))
    ]


def _section_end(tokens: Sequence[Token], place: int) -> int:
    """Return the token behind a class's name, its superclass, category and protocols in Objective-C."""
    place += 1
    if place + 1 < len(tokens) and tokens[place].kind is Kind.COLON:
        place += 2
    while place < len(tokens) and tokens[place].kind in (Kind.GROUP, Kind.ANGLES):
        place += 1
    return place


def _template_end(tokens: Sequence[Token]) -> int:
    """Return the token behind `template <…>` and what it requires; 0 where there is no template."""
    place = 0
    while place + 1 < len(tokens) and tokens[place].text == b"template" and tokens[place + 1].kind is Kind.ANGLES:
        place += 2
        if place < len(tokens) and tokens[place].text == b"requires":
            place = _constraint_end(tokens, place + 1)
    return place


def _constraint_end(tokens: Sequence[Token], place: int) -> int:
    """Return the token behind a constraint: parts joined by `&&` and `||`."""
    while place < len(tokens):
        while place < len(tokens) and tokens[place].text == b"!":
            place += 1
        if place < len(tokens) and tokens[place].text == b"requires":
            place = next((at + 1 for at in range(place, len(tokens)) if tokens[at].text == b"{"), len(tokens))
        elif place < len(tokens) and tokens[place].kind is Kind.GROUP:
            place += 1
        else:
            place = _path_end(tokens, place)
        if [token.text for token in tokens[place : place + 2]] not in ([b"&", b"&"], [b"|", b"|"]):
            break
        place += 2
    return place


def _path_end(tokens: Sequence[Token], place: int) -> int:
    while place < len(tokens) and tokens[place].kind in (Kind.WORD, Kind.PATH):
        is_path = tokens[place].kind is Kind.PATH
        place += 1
        if place < len(tokens) and tokens[place].kind is Kind.ANGLES:
            place += 1
        if not is_path and (place >= len(tokens) or tokens[place].kind is not Kind.PATH):
            break
    return place


def _scope(text: bytes, tokens: Sequence[Token]) -> Head | None:
    """Return the scope that a head opens, or that it declares an enumeration; null for all else."""
    words = [token.text for token in tokens]
    if words == [b"export"] or (words[0] == b"extern" and len(tokens) == 2 and tokens[1].kind is Kind.STRING):
        return Head(opens=Opens.SCOPE)
    if b"namespace" in words:
        place = len(words) - 1 - words[::-1].index(b"namespace")
        is_name = place + 1 < len(tokens) and tokens[place + 1].kind is Kind.GROUP
        if not is_name and all(token.kind in (Kind.WORD, Kind.PATH, Kind.GROUP) for token in tokens[place + 1 :]):
            return Head(opens=Opens.SCOPE, name=_namespace_name(tokens[place + 1 :]))
    colon = next((place for place, token in enumerate(tokens) if token.kind is Kind.COLON), len(tokens))
    head = tokens[:colon]
    for place in reversed(range(len(head))):
        if words[place] in CLASS_WORDS or words[place] == b"enum":
            return _class(text, head, place, has_value=Kind.EQUALS in {token.kind for token in tokens})
    if all(token.kind is Kind.WORD and is_upper(token.text) for token in tokens):
        # A macro that stands for a namespace or for `extern "C"`.
        return Head(opens=Opens.SCOPE)
    return None


def _namespace_name(tokens: Sequence[Token]) -> str:
    """Return the name of a namespace; macros behind it are no part of it."""
    parts: list[bytes] = []
    tokens = [token for token in tokens if token.text != b"inline"]
    for place, token in enumerate(tokens):
        if token.kind is Kind.GROUP:
            parts.clear()
        elif token.kind is Kind.WORD and (not parts or tokens[place - 1].kind is Kind.PATH):
            parts.append(token.text)
    return b"::".join(parts).decode(errors="replace")


def _class(text: bytes, tokens: Sequence[Token], place: int, *, has_value: bool) -> Head | None:
    """Return the class that a head opens; null where it is a function's that gives one back."""
    is_enum = tokens[place].text == b"enum" or (place > 0 and tokens[place - 1].text == b"enum")
    rest = _without_attributes(tokens[place + 1 :])
    group = next((at for at, token in enumerate(rest) if token.kind is Kind.GROUP), None)
    if group is not None:
        is_macro = group == 1 or (group > 1 and is_upper(rest[group - 1].text))
        follows = group + 1 < len(rest) and rest[group + 1].kind is Kind.WORD and not is_upper(rest[group + 1].text)
        if not (is_macro and follows and rest[group - 1].kind is Kind.WORD):
            return None
        rest = rest[group + 1 :]
        if any(token.kind is Kind.GROUP for token in rest):
            return None
    if has_value or is_enum:
        return Head(opens=Opens.DECLARATION)
    return Head(opens=Opens.SCOPE, name=_class_name(text, rest))


def _class_name(text: bytes, tokens: Sequence[Token]) -> str:
    """Return a class's name: of several words the last that is no macro and no `final`."""
    ends = [
        place
        for place, token in enumerate(tokens)
        if token.kind is Kind.WORD and token.text != b"final" and not token.text.startswith(b"__")
    ]
    named = [place for place in ends if not is_upper(tokens[place].text)] or ends
    if not named:
        return ""
    last = first = named[-1]
    while first > 1 and tokens[first - 1].kind is Kind.PATH:
        first -= 3 if tokens[first - 2].kind is Kind.ANGLES else 2
    if last + 1 < len(tokens) and tokens[last + 1].kind is Kind.ANGLES:
        last += 1
    return " ".join(text[tokens[max(first, 0)].start : tokens[last].end].decode(errors="replace").split())


def _without_attributes(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens without calls such as `__attribute__((…))`."""
    kept: list[Token] = []
    for token in tokens:
        if token.kind is Kind.GROUP and kept and kept[-1].text in ATTRIBUTE_CALLS:
            kept.pop()
        else:
            kept.append(token)
    return kept


def _function(
    text: bytes, whole: Sequence[Token], tokens: Sequence[Token], declared: Sequence[Token], *, scope: str
) -> Head:
    """Return the function that a head opens, or that it is none.

    Args:
        whole: All tokens of the head.
        tokens: Of these, without what stands in front of the declaration.
        declared: Of these, without the template's.
    """
    kept = _without_attributes(declared)
    has_parameters, members = False, False
    for place, token in enumerate(kept):
        has_parameters |= token.kind is Kind.GROUP
        if has_parameters and token.kind in (Kind.ARROW, Kind.COLON):
            members = token.kind is Kind.COLON
            kept = kept[:place]
            break
    is_try = kept[-1:] != [] and kept[-1].text == b"try"
    one = declarator_in(text, kept, scope=scope)
    if one is None:
        if tokens[-1].kind is Kind.GROUP and len(tokens) > 1 and tokens[-2].text == b"requires":
            return Head(opens=Opens.REQUIREMENT)
        is_value = not has_parameters and len(kept) > 1 and all(one.kind is not Kind.SIGN for one in kept)
        return Head(opens=Opens.DECLARATION if is_value else Opens.UNKNOWN)
    # Before a template's parameters stands nothing that is to be passed over.
    begins = start_of(text, kept, one, scope=scope) if tokens[0] is declared[0] else tokens[0].start
    start = with_attributes(text, whole, begins)
    opens = Opens.MEMBER if members and tokens[-1].kind in (Kind.WORD, Kind.ANGLES) else Opens.FUNCTION
    return Head(opens=opens, name=one.name, start=start, is_try=is_try)


def _method(tokens: Sequence[Token]) -> Head:
    """Return a method of Objective-C: its name has all of its parts."""
    parts = [token.text for token in tokens[2:] if token.kind is Kind.WORD]
    places = [place for place, token in enumerate(tokens) if token.kind is Kind.COLON]
    named = [tokens[place - 1].text + b":" for place in places if tokens[place - 1].kind is Kind.WORD] or parts[:1]
    return Head(opens=Opens.FUNCTION, name=b"".join(named).decode(errors="replace"), start=tokens[0].start)
