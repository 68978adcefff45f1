"""Copies of one function, exact or renamed: one stays, and none when their labels contradict.

Two functions are exact copies when they differ in white space only. They are renamed copies when they are equal
after comments are removed and names are numbered in order of appearance. Numbered are variables, parameters, labels,
types and the function's own name. Not numbered, for a change there is a change of meaning: keywords, names that are
called, members after `.` and `->`, types ending in `_t`, names in capitals, numbers, strings.
"""

# Shapes: T tokens, F functions, N distinct names of all functions.
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainers.data.clean.lexing import NO_WORD, Lexed
from trainers.data.clean.token_file import TokenFile
from trainers.data.read.row import Row

DIGEST_BYTES = 16
# Rows whose tokens are held at once.
CHUNK_ROWS = 1_024


def exact_key(func: str) -> bytes:
    """Return a key that copies with other white space share."""
    # NUL cannot be inside a function, so joined parts cannot be read in two ways.
    return hashlib.blake2b("\0".join(func.split()).encode(), digest_size=DIGEST_BYTES).digest()


def renamed_keys(lexed: Lexed) -> list[bytes]:
    """Return for each function a key that copies with other white space, comments and consistently changed names share.

    Keys of functions that were numbered with the same words can be compared.
    """
    place_T = np.arange(len(lexed.word_T))
    first_T = _first_places(lexed)
    # A name that is called is a variable's too, once it has stood for one.
    numbered_T = lexed.is_free_T & (first_T <= place_T)
    # How many names first stand for a variable before a place, in all functions.
    before_T = np.concatenate([[0, 0], np.cumsum(first_T == place_T)])[1:]
    stop_F = np.cumsum(lexed.sizes_F)
    start_F = stop_F - lexed.sizes_F
    number_T = before_T[np.minimum(first_T, place_T)] - before_T[start_F][lexed.function_T]
    code_T = np.where(numbered_T, NO_WORD - 1 - number_T, lexed.word_T).astype(np.int32)
    return [
        hashlib.blake2b(code_T[start:stop].data, digest_size=DIGEST_BYTES).digest()
        for start, stop in zip(start_F.tolist(), stop_F.tolist(), strict=True)
    ]


def _first_places(lexed: Lexed) -> NDArray[np.int64]:
    """Return for each token where its word first stands for a variable in its function; past the end if nowhere."""
    nowhere = len(lexed.word_T)
    name_T = lexed.function_T.astype(np.int64) * len(lexed.words) + lexed.word_T
    changeable_K = np.flatnonzero(lexed.is_changeable_T)
    if not len(changeable_K):
        return np.full(nowhere, nowhere)
    names_N, first_N = np.unique(name_T[changeable_K], return_index=True)
    at_T = np.minimum(np.searchsorted(names_N, name_T), len(names_N) - 1)
    return np.where(names_N[at_T] == name_T, changeable_K[first_N][at_T], nowhere)


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


def _keys(rows: Sequence[Row], tokens: TokenFile) -> Iterator[tuple[bytes, bytes]]:
    """Yield the exact and the renamed key of each row."""
    for start in range(0, len(rows), CHUNK_ROWS):
        sources = [row.func for row in rows[start : start + CHUNK_ROWS]]
        yield from zip(map(exact_key, sources), renamed_keys(tokens.add(sources)), strict=True)


def deduplicate(rows: Sequence[Row], tokens: TokenFile) -> Deduplication:
    """Keep the first of all copies, and none where copies contradict each other.

    Args:
        tokens: Takes those of all rows.
    """
    first_renamed: dict[bytes, int] = {}
    first_exact: dict[bytes, int] = {}
    classes: dict[int, list[int]] = {}
    copies, is_exact = [], []
    for place, (text, renamed) in enumerate(_keys(rows, tokens)):
        is_exact.append(text in first_exact)
        if text not in first_exact:
            first_exact[text] = first_renamed.setdefault(renamed, place)
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
