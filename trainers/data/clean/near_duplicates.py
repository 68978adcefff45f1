"""Near-duplicates: pairs of functions whose tokens are nearly the same, found exactly.

Two functions are as alike as their sets of five tokens in a row: what the sets share over what either has (Jaccard).
They are compared twice: with names as they stand, and with those that could be others made one. The sets lie on disk;
memory holds their rarest entries, a few hundred bytes for each function, and the pairs.
"""

# Shapes: F functions, S entries of sets, P pairs.
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from trainers.data.clean.lexing import Lexed
from trainers.data.clean.shingle_file import HASH_BITS, ShingleFile, blocks_of

# Of so many pairs for each function at most: in a set of functions that are all alike, every two are a pair.
MAX_PAIRS_PER_FUNCTION = 500
FEWEST_FUNCTIONS = 10_000
# Rare entries that are paired at once.
PART_ENTRIES = 1 << 21


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


def find_near_pairs(chunks: Iterable[Lexed], *, similarity: float, folder: Path | None = None) -> NearPairs:
    """Return every pair that is at least so similar in one of the two ways, up to MAX_PAIRS_PER_FUNCTION for each.

    Args:
        chunks: The functions, some at a time, numbered by the same words.
        similarity: Above 0, at most 1.
        folder: Where the sets are kept meanwhile; by default where the system keeps such files.

    Source:
        Chaudhuri, Ganti, Kaushik 2006, doi 10.1109/ICDE.2006.9 (prefix filter): two sets as alike as that share at
        least one of their rarest entries, so no pair is missed.
    """
    with TemporaryFile(dir=folder) as names_kept, TemporaryFile(dir=folder) as names_made_one:
        views = (ShingleFile(names_kept), ShingleFile(names_made_one))
        for lexed in chunks:
            for view, words_T in zip(views, (lexed.word_T, lexed.renamed_T), strict=True):
                view.add(words_T, lexed.function_T, len(lexed.sizes_F))
        return _near_pairs(views, similarity)


def _near_pairs(views: tuple[ShingleFile, ShingleFile], similarity: float) -> NearPairs:
    # Without any function there are no pairs either.
    functions = max(1, len(views[0].size_F))
    found, complete = [], True
    for view in views:
        pairs_P, is_whole = _candidates(view, similarity)
        found.append(pairs_P[_similarities(view, pairs_P // functions, pairs_P % functions) >= similarity])
        complete = complete and is_whole
    pairs_P = np.union1d(*found)
    first_P, second_P = pairs_P // functions, pairs_P % functions
    return NearPairs(
        first_P=first_P,
        second_P=second_P,
        similarity_P=_similarities(views[0], first_P, second_P),
        renamed_similarity_P=_similarities(views[1], first_P, second_P),
        complete=complete,
    )


def _candidates(view: ShingleFile, similarity: float) -> tuple[NDArray[np.int64], bool]:
    """Return the pairs that share a rare entry and are of similar size, each as first * F + second, ascending.

    Returns:
        The pairs, and whether none was left out for their number.
    """
    # So many that two sets as alike share one.
    needed_F = view.size_F - np.ceil(similarity * view.size_F - 1e-9).astype(np.int64) + 1
    needed_F = np.minimum(needed_F, view.size_F)
    entry_S = _rare_entries(view, needed_F)
    parts = list(_parts(entry_S))
    farthest, complete = _farthest([entry_S[part] for part in parts], len(view.size_F))
    found = [_paired(entry_S[part], farthest, view.size_F, similarity) for part in parts]
    return (np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)), complete


def _rare_entries(view: ShingleFile, needed_F: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the rarest entries of all functions, ascending: the hash above the function's number."""
    entry_S = np.empty(int(needed_F.sum()), dtype=np.uint64)
    done = 0
    for block in view.blocks():
        hash_S = view.rarest(block, needed_F)
        function_S = np.repeat(np.arange(block.start, block.stop, dtype=np.uint64), needed_F[block])
        entry_S[done : done + len(hash_S)] = hash_S.astype(np.uint64) << np.uint64(HASH_BITS) | function_S
        done += len(hash_S)
    entry_S.sort()
    return entry_S


def _parts(entry_S: NDArray[np.uint64]) -> Iterable[slice]:
    """Divide ascending entries where a hash ends."""
    start = 0
    while start < len(entry_S):
        stop = min(start + PART_ENTRIES, len(entry_S))
        if stop < len(entry_S):
            # The last hash may go on behind this: it belongs to the next part, or is all of this one.
            hash_here = entry_S[stop] >> np.uint64(HASH_BITS) << np.uint64(HASH_BITS)
            begins = int(np.searchsorted(entry_S, hash_here))
            follows = hash_here + np.uint64(1 << HASH_BITS)
            stop = begins if begins > start else int(np.searchsorted(entry_S, follows) if follows else len(entry_S))
        yield slice(start, stop)
        start = stop


def _farthest(parts: Iterable[NDArray[np.uint64]], functions: int) -> tuple[int, bool]:
    """Return how far apart two entries with one hash may be to be paired, and whether that pairs all of them.

    Every function is first paired with the next one of the same hash, then with the one after it, and so on for as long
    as the pairs are not too many.
    """
    runs_L = np.zeros(1, dtype=np.int64)
    for entry_S in parts:
        hash_S = entry_S >> np.uint64(HASH_BITS)
        starts = np.flatnonzero(np.append(True, hash_S[1:] != hash_S[:-1]))
        of_part = np.bincount(np.diff(np.append(starts, len(entry_S))))
        longer, shorter = (of_part, runs_L) if len(of_part) > len(runs_L) else (runs_L, of_part)
        runs_L = longer + np.pad(shorter, (0, len(longer) - len(shorter)))
    # A run of so many has one pair fewer at each further distance; sums from behind, twice.
    more_L = np.cumsum(runs_L[::-1])[::-1]
    pairs_D = np.cumsum(more_L[::-1])[::-1][2:]
    limit = MAX_PAIRS_PER_FUNCTION * max(functions, FEWEST_FUNCTIONS)
    farthest = int(np.searchsorted(np.cumsum(pairs_D), limit, side="right"))
    return farthest, farthest == len(pairs_D)


def _paired(
    entry_S: NDArray[np.uint64], farthest: int, size_F: NDArray[np.int64], similarity: float
) -> NDArray[np.int64]:
    """Return the suitable pairs of entries with one hash, each once, as first * F + second."""
    hash_S = (entry_S >> np.uint64(HASH_BITS)).astype(np.uint32)
    function_S = (entry_S & np.uint64(0xFFFFFFFF)).astype(np.int64)
    found = [np.empty(0, dtype=np.int64)]
    together = np.arange(len(hash_S))
    for distance in range(1, farthest + 1):
        # One whose run of equal hashes ends before that distance has no partner further on either.
        together = together[: np.searchsorted(together, len(hash_S) - distance)]
        together = together[hash_S[together + distance] == hash_S[together]]
        if not len(together):
            break
        # Functions come in ascending order within a run, so the first is the lower one.
        first_P, second_P = function_S[together], function_S[together + distance]
        sizes_2P = np.stack([size_F[first_P], size_F[second_P]])
        chosen_P = sizes_2P.min(axis=0) >= similarity * sizes_2P.max(axis=0)
        found.append(first_P[chosen_P] * len(size_F) + second_P[chosen_P])
    return np.unique(np.concatenate(found))


def _similarities(view: ShingleFile, first_P: NDArray[np.int64], second_P: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each pair's Jaccard similarity; of two empty sets it is 0."""
    shared_P = np.zeros(len(first_P), dtype=np.int64)
    for block in blocks_of(view.size_F[first_P] + view.size_F[second_P]):
        shared_P[block] = _shared(view, first_P[block], second_P[block])
    either_P = view.size_F[first_P] + view.size_F[second_P] - shared_P
    similarity_P: NDArray[np.float64] = shared_P / np.maximum(either_P, 1)
    return similarity_P


def _shared(view: ShingleFile, first_P: NDArray[np.int64], second_P: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count how many entries of each first set the second one has too."""
    functions_F = np.union1d(first_P, second_P)
    size_F = view.size_F[functions_F]
    start_F = np.cumsum(size_F) - size_F
    hash_S = view.sets(functions_F)
    entry_S = np.repeat(np.arange(len(functions_F), dtype=np.uint64), size_F) << np.uint64(HASH_BITS) | hash_S
    first_P, second_P = np.searchsorted(functions_F, first_P), np.searchsorted(functions_F, second_P)
    size_P = size_F[first_P]
    pair = np.repeat(np.arange(len(first_P)), size_P)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(size_P) - size_P, size_P)
    hashes = hash_S[start_F[first_P][pair] + place]
    sought = (second_P[pair].astype(np.uint64) << np.uint64(HASH_BITS)) | hashes
    at = np.minimum(np.searchsorted(entry_S, sought), len(entry_S) - 1)
    return np.bincount(pair[entry_S[at] == sought], minlength=len(first_P))
