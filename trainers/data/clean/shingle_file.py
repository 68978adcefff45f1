"""Each function's set of shingles in a file, with what must be known of all sets at once in memory."""

# Shapes: F functions, S entries of sets, T tokens.
from collections.abc import Iterator
from functools import cached_property
from typing import IO

import numpy as np
from numpy.typing import NDArray

SHINGLE_TOKENS = 5
HASH_BITS = 32
# How often a hash occurs is counted for so many of its leading bits, and told in so many: with a function's number
# within its block and the hash it shares 64 bits.
BUCKET_BITS = 22
RARITY_BITS = 10
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
HASH_BYTES = 4
# Entries that are held at once.
BLOCK_ENTRIES = 1 << 20


class ShingleFile:
    """Each function's set of shingles, as ascending 32-bit hashes, four bytes each on disk.

    Memory holds two numbers for each function, and a table of fixed size.

    Args:
        file: Empty, to write and read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._times_B = np.zeros(1 << BUCKET_BITS, dtype=np.int32)
        self._sizes: list[NDArray[np.int64]] = []

    @cached_property
    def size_F(self) -> NDArray[np.int64]:
        """Entries of each function's set; to be asked for when all are added."""
        return np.concatenate(self._sizes) if self._sizes else np.empty(0, dtype=np.int64)

    @cached_property
    def _start_F(self) -> NDArray[np.int64]:
        start_F: NDArray[np.int64] = np.cumsum(self.size_F) - self.size_F
        return start_F

    def add(self, words_T: NDArray[np.int32], function_T: NDArray[np.int32], functions: int) -> None:
        """Add the sets of some more functions.

        Args:
            function_T: The function that each token belongs to, from 0.
            functions: How many these are.
        """
        entry_S = np.sort(_shingles(words_T, function_T))
        entry_S = entry_S[np.append(True, entry_S[1:] != entry_S[:-1])[: len(entry_S)]]
        hash_S = entry_S.astype(np.uint32)
        np.add.at(self._times_B, _bucket(hash_S), 1)
        self._file.write(hash_S.data)
        self._sizes.append(np.bincount((entry_S >> np.uint64(HASH_BITS)).astype(np.int64), minlength=functions))

    def blocks(self) -> Iterator[slice]:
        """Yield ranges of functions of which each holds so many entries as are held at once, or is one function."""
        # One more for each, so that functions without entries do not come by the million.
        yield from blocks_of(self.size_F + 1)

    def rarest(self, functions: slice, needed_F: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the hashes of the rarest entries of some functions, function after function.

        Args:
            needed_F: How many of each; of all functions.
        """
        size_F = self.size_F[functions]
        hash_S = self._read(int(self._start_F[functions.start]), int(size_F.sum()))
        times_S = np.minimum(self._times_B[_bucket(hash_S)], (1 << RARITY_BITS) - 1).astype(np.uint64)
        function_S = np.repeat(np.arange(len(size_F)), size_F)
        ordered_S = function_S.astype(np.uint64) << np.uint64(HASH_BITS + RARITY_BITS) | times_S << np.uint64(HASH_BITS)
        ordered_S |= hash_S
        ordered_S.sort()
        rank_S = np.arange(len(hash_S)) - np.repeat(np.cumsum(size_F) - size_F, size_F)
        return ordered_S[rank_S < needed_F[functions][function_S]].astype(np.uint32)

    def sets(self, functions_F: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the sets of some functions one after another."""
        parts = [
            self._read(start, size)
            for start, size in zip(self._start_F[functions_F].tolist(), self.size_F[functions_F].tolist(), strict=True)
        ]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint32)

    def _read(self, start: int, size: int) -> NDArray[np.uint32]:
        self._file.seek(start * HASH_BYTES)
        return np.frombuffer(self._file.read(size * HASH_BYTES), dtype=np.uint32)


def blocks_of(sizes_K: NDArray[np.int64]) -> Iterator[slice]:
    """Yield ranges of things that follow each other, of which each has BLOCK_ENTRIES entries at most, or is one."""
    until_K = np.cumsum(sizes_K)
    start = 0
    while start < len(sizes_K):
        before = int(until_K[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(until_K, before + BLOCK_ENTRIES, side="right")))
        yield slice(start, stop)
        start = stop


def _bucket(hash_S: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return hash_S >> np.uint32(HASH_BITS - BUCKET_BITS)


def _shingles(words_T: NDArray[np.int32], function_T: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return for every five tokens in a row the function's number above a 32-bit hash."""
    count = max(0, len(words_T) - SHINGLE_TOKENS + 1)
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(SHINGLE_TOKENS):
        hashes = (hashes ^ (hashes >> np.uint64(29))) * MULTIPLIER + words_T[offset : offset + count].astype(np.uint64)
    hashes = (hashes ^ (hashes >> np.uint64(32))) * MULTIPLIER >> np.uint64(64 - HASH_BITS)
    first_T, last_T = function_T[:count], function_T[SHINGLE_TOKENS - 1 :]
    whole_T = first_T == last_T[:count]
    entries: NDArray[np.uint64] = first_T[whole_T].astype(np.uint64) << np.uint64(HASH_BITS) | hashes[whole_T]
    return entries
