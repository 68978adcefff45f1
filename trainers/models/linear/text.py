"""The n-grams of a function's text: runs of one to three parts of names, numbers and signs."""

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from trainers.models.linear.hashing import Found, Places, ngrams

# `av_freep`, `avFreep` and `AV_FREEP` have parts in common; what a word has of other alphabets stays together.
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+|[^\w\s]")
LONGEST = 3
# Distinct parts whose hashes are kept, and the longest of them: no text can fill the memory with parts.
KEPT_PARTS = 1 << 18
LONGEST_KEPT = 64


def patterns_of_text(sources: Sequence[str]) -> Found:
    """Find the n-grams of some functions; the items are their parts, and long functions are read whole.

    Args:
        sources: Text of each function, at least one.
    """
    parts = [PART.findall(source) for source in sources]
    item_T = np.array([_hash(part) for of_function in parts for part in of_function], dtype=np.uint64)
    function_T = np.repeat(np.arange(len(parts)), [len(of_function) for of_function in parts])
    patterns = list(ngrams(item_T, function_T, longest=LONGEST))
    return Found(patterns=patterns, function_T=function_T, functions=len(sources))


def lines_of_parts(sources: Sequence[str]) -> list[Places]:
    """Return the line of each part, from 1, in the order of `patterns_of_text`, by function."""
    found = []
    for source in sources:
        line_ends = [place for place, character in enumerate(source) if character == "\n"]
        starts = [part.start() for part in PART.finditer(source)]
        found.append(np.searchsorted(line_ends, starts).astype(np.int64) + 1)
    return found


def _hash(part: str) -> int:
    lower = part.lower()
    return _kept(lower) if len(lower) <= LONGEST_KEPT else _digest(lower)


def _digest(part: str) -> int:
    digest = blake2b(part.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


_kept = lru_cache(maxsize=KEPT_PARTS)(_digest)
