"""All functions as numbered tokens, split once for everything that counts or compares them."""

# Shapes: T tokens of all functions one after another, F functions, W distinct words.
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from trainers.data.c_tokens import KEYWORDS, TOKEN, is_comment, is_fixed, is_name

NO_WORD = -1


@dataclass(frozen=True, kw_only=True)
class Lexed:
    """The tokens of many functions, without comments.

    Args:
        words: Every distinct token by number; the last stands for a name that may be changed, in `renamed_T`.
        word_T: Number of each token.
        renamed_T: The same, with variables, parameters, labels, types and the function's own name made one word.
        function_T: The function that each token belongs to.
        sizes_F: Tokens of each function.
    """

    words: list[str]
    word_T: NDArray[np.int32]
    renamed_T: NDArray[np.int32]
    function_T: NDArray[np.int32]
    sizes_F: NDArray[np.int64]

    def are(self, rule: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Return for each token whether it meets a rule, bool (T,)."""
        return _are(self.words, rule)[self.word_T]


def lex(sources: Sequence[str]) -> Lexed:
    """Split C or C++ functions into numbered tokens."""
    number: defaultdict[str, int] = defaultdict(count().__next__)
    split = [np.array([number[token] for token in TOKEN.findall(func)], dtype=np.int32) for func in sources]
    words = list(number)
    word_T = np.concatenate(split) if split else np.empty(0, dtype=np.int32)
    function_T = np.repeat(np.arange(len(split), dtype=np.int32), [len(of_function) for of_function in split])
    kept_T = ~_are(words, is_comment)[word_T]
    word_T, function_T = word_T[kept_T], function_T[kept_T]
    renamed_T = np.where(_may_be_changed(words, word_T, function_T), np.int32(len(words)), word_T)
    return Lexed(
        words=[*words, "$"],
        word_T=word_T,
        renamed_T=renamed_T,
        function_T=function_T,
        sizes_F=np.bincount(function_T, minlength=len(sources)),
    )


def _are(words: Sequence[str], rule: Callable[[str], bool]) -> NDArray[np.bool_]:
    return np.fromiter((rule(word) for word in words), dtype=np.bool_, count=len(words))


def _may_be_changed(
    words: Sequence[str], word_T: NDArray[np.int32], function_T: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Return which tokens are names that could be renamed: no called functions, members, capitals or keywords."""
    name_T = _are(words, is_name)[word_T]
    same_T = function_T[1:] == function_T[:-1]
    previous_T = np.insert(np.where(same_T, word_T[:-1], NO_WORD), 0, NO_WORD)[: len(word_T)]
    called_T = _called(words, word_T, function_T)
    member_T = _are(words, (".", "->").__contains__)[previous_T] & (previous_T != NO_WORD)
    free_T = name_T & ~_are(words, is_fixed)[word_T] & ~member_T
    functions = int(function_T[-1]) + 1 if len(function_T) else 0
    own_F = _own_words(words, word_T, function_T, called_T, functions=functions)
    changeable_T: NDArray[np.bool_] = free_T & (~called_T | (word_T == own_F[function_T]))
    return changeable_T


def own_names(lexed: Lexed) -> list[str | None]:
    """Return the name of each function: its first name before a parenthesis that is no macro; None without one."""
    called_T = _called(lexed.words, lexed.word_T, lexed.function_T)
    own_F = _own_words(lexed.words, lexed.word_T, lexed.function_T, called_T, functions=len(lexed.sizes_F))
    return [None if word == NO_WORD else lexed.words[word] for word in own_F.tolist()]


def _called(words: Sequence[str], word_T: NDArray[np.int32], function_T: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which tokens are names before a parenthesis."""
    same_T = function_T[1:] == function_T[:-1]
    following_T = np.append(np.where(same_T, word_T[1:], NO_WORD), NO_WORD)[: len(word_T)]
    called_T: NDArray[np.bool_] = (
        _are(words, is_name)[word_T] & _are(words, "(".__eq__)[following_T] & (following_T != NO_WORD)
    )
    return called_T


def _own_words(
    words: Sequence[str],
    word_T: NDArray[np.int32],
    function_T: NDArray[np.int32],
    called_T: NDArray[np.bool_],
    *,
    functions: int,
) -> NDArray[np.int32]:
    """Return the word that is each function's name, (F,): the first name before a parenthesis that is no macro."""
    macro_T = _are(words, lambda word: word in KEYWORDS or word.isupper())[word_T]
    places = np.flatnonzero(called_T & ~macro_T)
    named, first = np.unique(function_T[places], return_index=True)
    own_F = np.full(functions, NO_WORD, dtype=np.int32)
    own_F[named] = word_T[places[first]]
    return own_F
