"""Counts of hashed things per function: n-grams of its text, or patterns of its graph."""

# Shapes: F functions, T items of all functions one after another, K buckets.
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Hashes = NDArray[np.uint64]
BUCKET_BITS = 20
BUCKETS = 1 << BUCKET_BITS
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINISHER = np.uint64(0xBF58476D1CE4E5B9)


def mixed(*parts: Hashes | NDArray[np.int64] | int) -> Hashes:
    """Return one hash for each tuple of numbers; the same on every machine.

    Args:
        parts: Arrays of one shape, or numbers that stand for such an array; the first is an array.

    Source:
        The finaliser of SplitMix64, Steele et al. 2014, doi 10.1145/2660193.2660195.
    """
    first, *others = parts
    hash_T = _finished(np.asarray(first, dtype=np.uint64))
    for part in others:
        hash_T = _finished(hash_T * _MULTIPLIER + np.asarray(part, dtype=np.uint64))
    return hash_T


def _finished(hash_T: Hashes) -> Hashes:
    hash_T = (hash_T ^ (hash_T >> np.uint64(30))) * _FINISHER
    return hash_T ^ (hash_T >> np.uint64(31))


def ngrams(
    item_T: Hashes, function_T: NDArray[np.int64], *, longest: int
) -> Iterator[tuple[Hashes, NDArray[np.int64]]]:
    """Yield the hashes of all runs of 1, 2 … items within a function, and the function of each.

    Args:
        item_T: Hash of each item.
        function_T: The function it stands in, ascending.
        longest: Items of the longest runs.
    """
    hash_T = item_T
    for length in range(1, longest + 1):
        if length > 1:
            hash_T = mixed(hash_T[:-1], item_T[length - 1 :])
        whole_T = function_T[: len(hash_T)] == function_T[length - 1 :]
        yield mixed(hash_T[whole_T], length), function_T[: len(hash_T)][whole_T]


def counted(found: Sequence[tuple[Hashes, NDArray[np.int64]]], *, functions: int) -> sparse.csr_matrix:
    """Return how often each bucket's hashes stand in each function, float32, (F, K).

    Args:
        found: Hashes, and the function of each.
        functions: F.

    Source:
        Feature hashing: Weinberger et al. 2009, arXiv 0902.2206.
    """
    bucket_T = np.concatenate([hash_T >> np.uint64(64 - BUCKET_BITS) for hash_T, _ in found]).astype(np.int64)
    function_T = np.concatenate([function_T for _, function_T in found])
    ones_T = np.ones(len(bucket_T), dtype=np.float32)
    return sparse.coo_matrix((ones_T, (function_T, bucket_T)), shape=(functions, BUCKETS)).tocsr()
