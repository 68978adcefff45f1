"""Copies of one function, exact or renamed: one stays, and none when their labels contradict.

Two functions are exact copies when they differ in white space only. They are renamed copies when they are equal
after comments are removed and names are numbered in order of appearance. Numbered are variables, parameters, labels,
types and the function's own name. Not numbered, for a change there is a change of meaning: keywords, names that are
called, members after `.` and `->`, types ending in `_t`, names in capitals, numbers, strings.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainers.data.c_tokens import KEYWORDS, is_fixed, is_name, tokens_of
from trainers.data.read.row import Row

DIGEST_BYTES = 16


def _digest(parts: Sequence[str]) -> bytes:
    # NUL cannot be inside a token that matters, so joined parts cannot be read in two ways.
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=DIGEST_BYTES).digest()


def exact_key(func: str) -> bytes:
    """Return a key that copies with other white space share."""
    return _digest(func.split())


def renamed_key(func: str) -> bytes:
    """Return a key that copies with other white space, comments and consistently changed names share."""
    tokens = tokens_of(func)
    own_name = next(
        (
            name
            for name, following in itertools.pairwise(tokens)
            if following == "(" and is_name(name) and name not in KEYWORDS and not name.isupper()
        ),
        None,
    )
    numbers: dict[str, str] = {}
    parts = []
    previous = ""
    for token, following in zip(tokens, [*tokens, ""][1:], strict=True):
        numbered = is_name(token) and not is_fixed(token) and previous not in (".", "->")
        if numbered and (following != "(" or token == own_name or token in numbers):
            parts.append(numbers.setdefault(token, f"${len(numbers)}"))
        else:
            parts.append(token)
        previous = token
    return _digest(parts)


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Copies of one function that bear both labels; none of them is kept."""

    ids: tuple[str, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Deduplication:
    """Which rows stay.

    Args:
        kept: Places of the rows that stay, ascending.
        copies: For each row the place of the first of its copies (its own, when there is none before it).
        exact: Rows dropped as exact copies.
        renamed: Rows dropped as renamed copies.
        contradictions: Copies with both labels, all dropped.
    """

    kept: list[int]
    copies: list[int]
    exact: int
    renamed: int
    contradictions: list[Contradiction]


def kept_rows(rows: Sequence[Row], found: Deduplication) -> list[Row]:
    """Return the rows that stay, each with what its copies know: the first value, all weaknesses, the oldest date."""
    members: dict[int, list[Row]] = {place: [] for place in found.kept}
    for place, first in enumerate(found.copies):
        if first in members:
            members[first].append(rows[place])
    return [_together(copies) for copies in members.values()]


def _together(copies: Sequence[Row]) -> Row:
    first, *others = copies
    if not others:
        return first
    weaknesses = dict.fromkeys(part for copy in copies if copy.cwe for part in copy.cwe.split(","))
    return replace(
        first,
        project=_first_known(copies, "project"),
        commit=_first_known(copies, "commit"),
        pair=_first_known(copies, "pair"),
        cwe=",".join(weaknesses) or None,
        date=min((copy.date for copy in copies if copy.date is not None), default=None),
    )


def _first_known(copies: Sequence[Row], name: str) -> str | None:
    return next((value for copy in copies if (value := getattr(copy, name)) is not None), None)


def deduplicate(rows: Sequence[Row]) -> Deduplication:
    """Keep the first of all copies, and none where copies contradict each other."""
    first_renamed: dict[bytes, int] = {}
    first_exact: dict[bytes, int] = {}
    classes: dict[int, list[int]] = {}
    copies, is_exact = [], []
    for place, row in enumerate(rows):
        text = exact_key(row.func)
        is_exact.append(text in first_exact)
        if text not in first_exact:
            first_exact[text] = first_renamed.setdefault(renamed_key(row.func), place)
        first = first_exact[text]
        copies.append(first)
        classes.setdefault(first, []).append(place)
    mixed = {first for first, places in classes.items() if len({rows[p].label for p in places}) > 1}
    dropped = [p for p, first in enumerate(copies) if p != first and first not in mixed]
    return Deduplication(
        kept=[first for first in classes if first not in mixed],
        copies=copies,
        exact=sum(is_exact[p] for p in dropped),
        renamed=sum(not is_exact[p] for p in dropped),
        contradictions=[
            Contradiction(
                ids=tuple(rows[p].id for p in classes[first]), lines=tuple(rows[p].line for p in classes[first])
            )
            for first in sorted(mixed)
        ],
    )
