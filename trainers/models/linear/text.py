"""The patterns of a function's text: runs of parts of words, whole words, and names by their use."""

# Shapes: T parts and W words of all functions one after another.
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from trainers.models.linear.hashing import Found, Hashes, Patterns, Places, mixed, ngrams

WORD = re.compile(r"\w+|[^\w\s]")
# `av_freep`, `avFreep` and `AV_FREEP` have parts in common; what a word has of other alphabets stays together.
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+|[^\w\s]")
LONGEST = 3
# The views; before them one for the runs of each length.
WHOLE, USED, VIEWS = LONGEST, LONGEST + 1, LONGEST + 2
# Starts the hash of each use of a name.
CALLED, FIELD = 1, 2
# Distinct words whose hashes are kept, and the longest of them: no text can fill the memory with words.
KEPT_WORDS = 1 << 18
LONGEST_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Word:
    """Hashes of a word as it is written, and of its parts in lower case."""

    whole: int
    parts: tuple[int, ...]
    is_name: bool


def patterns_of_text(sources: Sequence[str]) -> Found:
    """Find the patterns of some functions; the items are the parts of their words, and long functions are read whole.

    A whole word stands at its first part. A name is called where a bracket follows, and a field after `.` or `->`.

    Args:
        sources: Text of each function, at least one.
    """
    words = [[_word(text) for text in WORD.findall(source)] for source in sources]
    part_T = np.array([part for of_one in words for word in of_one for part in word.parts], dtype=np.uint64)
    function_W = np.repeat(np.arange(len(words)), [len(of_one) for of_one in words])
    parts_W = np.array([len(word.parts) for of_one in words for word in of_one], dtype=np.int64)
    whole_W = np.array([word.whole for of_one in words for word in of_one], dtype=np.uint64)
    is_name_W = np.array([word.is_name for of_one in words for word in of_one], dtype=np.bool_)
    function_T = np.repeat(function_W, parts_W)
    first_W = np.cumsum(parts_W) - parts_W
    # `_` has no part to stand at.
    has_W = parts_W > 0
    is_called_W, is_field_W = (is_name_W & has_W & used_W for used_W in _uses(whole_W, function_W))
    used = Patterns(
        hash_N=np.concatenate([mixed(whole_W[is_called_W], CALLED), mixed(whole_W[is_field_W], FIELD)]),
        places=(np.concatenate([first_W[is_called_W], first_W[is_field_W]]),),
        view=USED,
    )
    whole = Patterns(hash_N=mixed(whole_W[has_W]), places=(first_W[has_W],), view=WHOLE)
    runs = ngrams(part_T, function_T, longest=LONGEST)
    return Found(patterns=[*runs, whole, used], function_T=function_T, functions=len(sources), views=VIEWS)


def _uses(whole_W: Hashes, function_W: Places) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which words are followed by a bracket, and which stand after `.` or `->`, in the same function."""
    before_W, earlier_W = (_moved(whole_W, function_W, by=by) for by in (1, 2))
    is_field_W = (before_W == _SIGNS["."]) | ((earlier_W == _SIGNS["-"]) & (before_W == _SIGNS[">"]))
    return _moved(whole_W, function_W, by=-1) == _SIGNS["("], is_field_W


def _moved(whole_W: Hashes, function_W: Places, *, by: int) -> Hashes:
    """Return for each word the one so many words before it in its function; 0 where there is none."""
    moved_W = np.zeros_like(whole_W)
    to, of = (slice(by, None), slice(None, -by)) if by > 0 else (slice(None, by), slice(-by, None))
    moved_W[to] = np.where(function_W[to] == function_W[of], whole_W[of], 0)
    return moved_W


def lines_of_parts(sources: Sequence[str]) -> list[Places]:
    """Return the line of each part, from 1, in the order of `patterns_of_text`, by function."""
    found = []
    for source in sources:
        line_ends = [place for place, character in enumerate(source) if character == "\n"]
        starts = [part.start() for part in PART.finditer(source)]
        found.append(np.searchsorted(line_ends, starts).astype(np.int64) + 1)
    return found


def _word(text: str) -> _Word:
    return _kept(text) if len(text) <= LONGEST_KEPT else _hashed(text)


def _hashed(text: str) -> _Word:
    parts = tuple(_digest(part.lower()) for part in PART.findall(text))
    return _Word(whole=_digest(text), parts=parts, is_name=text[0] == "_" or text[0].isalpha())


def _digest(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


_kept = lru_cache(maxsize=KEPT_WORDS)(_hashed)
_SIGNS = {sign: np.uint64(_digest(sign)) for sign in ".->("}
