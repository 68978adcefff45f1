"""Hashed patterns of a function: n-grams of its text, or nodes and edges of its graph; and how often each is there."""

# Shapes: F functions, T items (parts of text, nodes) of all functions one after another, N patterns of one kind,
# K buckets of all views, one view's after another's.
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]
# Of each view.
BUCKET_BITS = 20
BUCKETS = 1 << BUCKET_BITS
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINISHER = np.uint64(0xBF58476D1CE4E5B9)


def mixed(*parts: Hashes | Places | int) -> Hashes:
    """Return one hash for each tuple of numbers; the same on every machine.

    Args:
        parts: Arrays of one shape, or numbers that stand for such an array; the first is an array.

    Source:
        The finaliser of SplitMix64, Steele et al. 2014, doi 10.1145/2660193.2660195.
    """
    first, *others = parts
    hash_N = _finished(np.asarray(first, dtype=np.uint64))
    for part in others:
        hash_N = _finished(hash_N * _MULTIPLIER + np.asarray(part, dtype=np.uint64))
    return hash_N


def _finished(hash_N: Hashes) -> Hashes:
    hash_N = (hash_N ^ (hash_N >> np.uint64(30))) * _FINISHER
    return hash_N ^ (hash_N >> np.uint64(31))


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """Patterns of one kind, wherever they stand.

    Args:
        hash_N: Of each.
        places: The items that each is made of: as many arrays of N places as it has items.
        view: Which of the views of a function they belong to, from 0: each view counts alike.
    """

    hash_N: Hashes
    places: tuple[Places, ...]
    view: int = 0

    @property
    def bucket_N(self) -> Places:
        """The bucket of each."""
        return (self.hash_N >> np.uint64(64 - BUCKET_BITS)).astype(np.int64) + self.view * BUCKETS


@dataclass(frozen=True, kw_only=True)
class Found:
    """All patterns of some functions.

    Args:
        patterns: By kind.
        function_T: The function of each item, ascending.
        functions: F.
        views: How many there are, whether a pattern was found in each or not.
    """

    patterns: Sequence[Patterns]
    function_T: Places
    functions: int
    views: int = 1

    def cells(self) -> tuple[Places, Places]:
        """Return function and bucket of every pattern, kind by kind."""
        function_N = np.concatenate([self.function_T[kind.places[0]] for kind in self.patterns])
        return function_N, np.concatenate([kind.bucket_N for kind in self.patterns])

    def counted(self) -> sparse.csr_matrix:
        """Return how often each bucket's patterns stand in each function, float32, (F, K).

        Source:
            Feature hashing: Weinberger et al. 2009, arXiv 0902.2206.
        """
        cells = self.cells()
        ones_N = np.ones(len(cells[0]), dtype=np.float32)
        return sparse.coo_matrix((ones_N, cells), shape=(self.functions, BUCKETS * self.views)).tocsr()


def ngrams(item_T: Hashes, function_T: Places, *, longest: int) -> Iterator[Patterns]:
    """Yield all runs of 1, 2 … items within a function, each length as a view of its own.

    Args:
        item_T: Hash of each item.
        function_T: The function it stands in, ascending.
        longest: Items of the longest runs.
    """
    hash_T = item_T
    for length in range(1, longest + 1):
        if length > 1:
            hash_T = mixed(hash_T[:-1], item_T[length - 1 :])
        first_N = np.flatnonzero(function_T[: len(hash_T)] == function_T[length - 1 :])
        yield Patterns(
            hash_N=mixed(hash_T[first_N], length),
            places=tuple(first_N + further for further in range(length)),
            view=length - 1,
        )
