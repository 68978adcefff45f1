"""The tokens of many functions in a file, so that memory holds those of a few at a time."""

# Shapes: T tokens of all functions one after another, F functions.
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from trainers.data.clean.lexing import Lexed, Words, lex, own_names

# A token's number and its two marks share 32 bits.
MARK_BITS = 2
IS_FREE, IS_CHANGEABLE = 2, 1
TOKEN_BYTES = 4


class TokenFile:
    """Lexed functions on disk, four bytes for each token.

    Args:
        file: Empty, to write and read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sizes: list[NDArray[np.int64]] = []
        self._own: list[NDArray[np.int32]] = []
        self._words = Words()

    def add(self, sources: Sequence[str]) -> Lexed:
        """Lex some more functions, and return them."""
        lexed = lex(sources, self._words)
        marks_T = lexed.is_free_T * np.int32(IS_FREE) | lexed.is_changeable_T * np.int32(IS_CHANGEABLE)
        self._file.write((lexed.word_T << MARK_BITS | marks_T).astype(np.int32).data)
        self._sizes.append(lexed.sizes_F)
        self._own.append(lexed.own_F)
        return lexed

    def sizes(self, places: Sequence[int]) -> NDArray[np.int64]:
        """Return how many tokens each of some functions has."""
        sizes_F: NDArray[np.int64] = np.concatenate(self._sizes)[np.asarray(places, dtype=np.int64)]
        return sizes_F

    def names(self, places: Sequence[int]) -> list[str | None]:
        """Return the name of each of some functions, None without one."""
        return own_names(self._words, np.concatenate(self._own)[np.asarray(places, dtype=np.int64)])

    def chunks(self, places: Sequence[int]) -> Iterator[Lexed]:
        """Yield some functions, as many at a time as they were added.

        Args:
            places: Among all that were added, ascending.
        """
        is_chosen_F = np.zeros(sum(map(len, self._sizes)), dtype=np.bool_)
        is_chosen_F[np.asarray(places, dtype=np.int64)] = True
        at_token, at_function = 0, 0
        for sizes_F, own_F in zip(self._sizes, self._own, strict=True):
            # Somebody else may read between two chunks.
            self._file.seek(at_token * TOKEN_BYTES)
            content = self._file.read(int(sizes_F.sum()) * TOKEN_BYTES)
            chosen_F = is_chosen_F[at_function : at_function + len(sizes_F)]
            code_T = np.frombuffer(content, dtype=np.int32)[np.repeat(chosen_F, sizes_F)]
            yield self._lexed(code_T, sizes_F[chosen_F], own_F[chosen_F])
            at_token += int(sizes_F.sum())
            at_function += len(sizes_F)

    def _lexed(self, code_T: NDArray[np.int32], sizes_F: NDArray[np.int64], own_F: NDArray[np.int32]) -> Lexed:
        return Lexed(
            words=self._words,
            word_T=code_T >> MARK_BITS,
            is_free_T=(code_T & IS_FREE) > 0,
            is_changeable_T=(code_T & IS_CHANGEABLE) > 0,
            function_T=np.repeat(np.arange(len(sizes_F), dtype=np.int32), sizes_F),
            sizes_F=sizes_F,
            own_F=own_F,
        )
