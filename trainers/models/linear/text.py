"""The n-grams of a function's text: runs of one to three parts of names, numbers and signs."""

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from scipy import sparse

from trainers.models.linear.hashing import counted, ngrams

# `av_freep`, `avFreep` and `AV_FREEP` have parts in common; what a word has of other alphabets stays together.
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+|[^\w\s]")
LONGEST = 3
# Distinct parts whose hashes are kept.
KEPT_PARTS = 1 << 18


def count_parts(sources: Sequence[str]) -> sparse.csr_matrix:
    """Return how often each n-gram stands in each function, hashed, float32, (F, K); long functions are read whole.

    Args:
        sources: Text of each function, at least one.
    """
    parts = [PART.findall(source) for source in sources]
    item_T = np.array([_hash(part) for of_function in parts for part in of_function], dtype=np.uint64)
    function_T = np.repeat(np.arange(len(parts)), [len(of_function) for of_function in parts])
    return counted(list(ngrams(item_T, function_T, longest=LONGEST)), functions=len(sources))


@lru_cache(maxsize=KEPT_PARTS)
def _hash(part: str) -> int:
    digest = blake2b(part.lower().encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
