"""Near-duplicates: pairs of functions whose tokens are nearly the same, found exactly.

Two functions are as alike as their sets of five tokens in a row: what the sets share over what either has (Jaccard).
They are compared twice: with names as they stand, and with those that could be others made one.
"""

# Shapes: F functions, T tokens of all of them, S entries of all sets, P pairs.
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainers.data.clean.lexing import Lexed

SHINGLE_TOKENS = 5
HASH_BITS = 32
# A function's number and a shingle's hash and rarity share 64 bits.
RARITY_BITS = 10
BUCKET_BITS = 22
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# Set entries that are compared at once: bounds the memory.
BLOCK_ENTRIES = 4_000_000
# Of so many pairs for each function at most: in a set of functions that are all alike, every two are a pair.
MAX_PAIRS_PER_FUNCTION = 500
FEWEST_FUNCTIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class NearPairs:
    """Pairs of functions, `first_P` below `second_P`, in ascending order.

    Args:
        similarity_P: With names as they stand, 0 to 1.
        renamed_similarity_P: With names that could be others made one, 0 to 1.
        complete: Whether none was left out for their number.
    """

    first_P: NDArray[np.int64]
    second_P: NDArray[np.int64]
    similarity_P: NDArray[np.float64]
    renamed_similarity_P: NDArray[np.float64]
    complete: bool = True


def find_near_pairs(lexed: Lexed, *, similarity: float) -> NearPairs:
    """Return every pair that is at least so similar in one of the two ways, up to MAX_PAIRS_PER_FUNCTION for each.

    Args:
        similarity: Above 0, at most 1.

    Source:
        Chaudhuri, Ganti, Kaushik 2006, doi 10.1109/ICDE.2006.9 (prefix filter): two sets as alike as that share at
        least one of their rarest entries, so no pair is missed.
    """
    views = [_ShingleSets(words_T, lexed) for words_T in (lexed.word_T, lexed.renamed_T)]
    functions = len(lexed.sizes_F)
    found = []
    for view in views:
        pairs_P = view.candidates(similarity)
        near_P = view.similarities(pairs_P // functions, pairs_P % functions) >= similarity
        found.append(pairs_P[near_P])
    pairs_P = np.union1d(*found)
    first_P, second_P = pairs_P // functions, pairs_P % functions
    return NearPairs(
        first_P=first_P,
        second_P=second_P,
        similarity_P=views[0].similarities(first_P, second_P),
        renamed_similarity_P=views[1].similarities(first_P, second_P),
        complete=all(view.is_complete for view in views),
    )


class _ShingleSets:
    """Each function's set of shingles, as sorted 64-bit entries: the function's number above a 32-bit hash."""

    def __init__(self, words_T: NDArray[np.int32], lexed: Lexed) -> None:
        hashes, functions = _shingles(words_T, lexed.function_T)
        entry_S = np.sort((functions << np.uint64(HASH_BITS)) | hashes)
        self._entry_S = entry_S[np.append(True, entry_S[1:] != entry_S[:-1])[: len(entry_S)]]
        self._function_S = (self._entry_S >> np.uint64(HASH_BITS)).astype(np.int64)
        self._hash_S = (self._entry_S & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        self._size_F = np.bincount(self._function_S, minlength=len(lexed.sizes_F))
        self.is_complete = True
        self._start_F = np.cumsum(self._size_F) - self._size_F

    def candidates(self, similarity: float) -> NDArray[np.int64]:
        """Return the pairs that share a rare entry and are of similar size, each as first * F + second, ascending."""
        hash_S, function_S = self._prefixes(similarity)
        order = np.argsort(hash_S, kind="stable")
        hash_S, function_S = hash_S[order], function_S[order]
        found = []
        left = MAX_PAIRS_PER_FUNCTION * max(len(self._size_F), FEWEST_FUNCTIONS)
        together = np.arange(len(hash_S))
        for distance in range(1, len(hash_S)):
            # In each run of equal hashes, pair every function with the one `distance` places on; one whose run ends
            # before that has none further on either.
            together = together[: np.searchsorted(together, len(hash_S) - distance)]
            together = together[hash_S[together + distance] == hash_S[together]]
            if not len(together):
                break
            left -= len(together)
            if left < 0:
                self.is_complete = False
                break
            found.append(self._suitable(function_S[together], function_S[together + distance], similarity))
        return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)

    def _suitable(
        self, first_P: NDArray[np.int64], second_P: NDArray[np.int64], similarity: float
    ) -> NDArray[np.int64]:
        sizes = np.stack([self._size_F[first_P], self._size_F[second_P]])
        chosen_P = sizes.min(axis=0) >= similarity * sizes.max(axis=0)
        # Functions come in ascending order within a run, so the first is the lower one.
        pairs_P: NDArray[np.int64] = first_P[chosen_P] * len(self._size_F) + second_P[chosen_P]
        return pairs_P

    def _prefixes(self, similarity: float) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the hash and function of each function's rarest entries: so many that two like sets share one."""
        bucket_S = self._hash_S >> np.uint32(HASH_BITS - BUCKET_BITS)
        times = np.minimum(np.bincount(bucket_S, minlength=1 << BUCKET_BITS), (1 << RARITY_BITS) - 1)
        rarity_S = times[bucket_S].astype(np.uint64) << np.uint64(HASH_BITS)
        function_S = self._function_S.astype(np.uint64) << np.uint64(HASH_BITS + RARITY_BITS)
        ordered_S = np.sort(function_S | rarity_S | self._hash_S)
        rank_S = np.arange(len(ordered_S)) - self._start_F[self._function_S]
        needed_F = self._size_F - np.ceil(similarity * self._size_F - 1e-9).astype(np.int64) + 1
        chosen_S = rank_S < needed_F[self._function_S]
        return (ordered_S[chosen_S] & np.uint64(0xFFFFFFFF)).astype(np.uint32), self._function_S[chosen_S]

    def similarities(self, first_P: NDArray[np.int64], second_P: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return each pair's Jaccard similarity; of two empty sets it is 0."""
        shared_P = np.zeros(len(first_P), dtype=np.int64)
        for block in self._blocks(first_P):
            shared_P[block] = self._shared(first_P[block], second_P[block])
        either_P = self._size_F[first_P] + self._size_F[second_P] - shared_P
        similarity_P: NDArray[np.float64] = shared_P / np.maximum(either_P, 1)
        return similarity_P

    def _blocks(self, first_P: NDArray[np.int64]) -> Iterator[slice]:
        until_P = np.cumsum(self._size_F[first_P])
        start = 0
        while start < len(first_P):
            before = int(until_P[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(until_P, before + BLOCK_ENTRIES, side="right")))
            yield slice(start, stop)
            start = stop

    def _shared(self, first_P: NDArray[np.int64], second_P: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count how many entries of each first set the second one has too."""
        size_P = self._size_F[first_P]
        pair = np.repeat(np.arange(len(first_P)), size_P)
        place = np.arange(len(pair)) - np.repeat(np.cumsum(size_P) - size_P, size_P)
        hashes = self._hash_S[self._start_F[first_P][pair] + place]
        sought = (second_P[pair].astype(np.uint64) << np.uint64(HASH_BITS)) | hashes
        at = np.minimum(np.searchsorted(self._entry_S, sought), len(self._entry_S) - 1)
        return np.bincount(pair[self._entry_S[at] == sought], minlength=len(first_P))


def _shingles(
    words_T: NDArray[np.int32], function_T: NDArray[np.int32]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return a 32-bit hash and the function of every five tokens in a row."""
    count = max(0, len(words_T) - SHINGLE_TOKENS + 1)
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(SHINGLE_TOKENS):
        hashes = (hashes ^ (hashes >> np.uint64(29))) * MULTIPLIER + words_T[offset : offset + count].astype(np.uint64)
    hashes = (hashes ^ (hashes >> np.uint64(32))) * MULTIPLIER >> np.uint64(64 - HASH_BITS)
    first_T, last_T = function_T[:count], function_T[SHINGLE_TOKENS - 1 :]
    whole_T = first_T == last_T[:count]
    return hashes[whole_T], first_T[whole_T].astype(np.uint64)
