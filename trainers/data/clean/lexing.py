"""Functions as numbered tokens, split once for everything that counts or compares them."""

# Shapes: T tokens of all functions one after another, F functions, W distinct words.
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainers.data.c_tokens import KEYWORDS, all_tokens_of, is_comment, is_fixed, is_name

NO_WORD = -1
# No token is empty, so this word can stand for all names that may be changed.
ANY_NAME, ANY_NAME_NUMBER = "", 0


# What a word shows by itself, one bit each.
NAME, KEYWORD, FIXED, CAPITALS, OPENS, ACCESSES = (1 << bit for bit in range(6))


class Words(dict[str, int]):
    """The number of each token, in order of first appearance; asking for a new one numbers it. Comments get NO_WORD."""

    def __init__(self) -> None:
        super().__init__({ANY_NAME: ANY_NAME_NUMBER})
        self._traits = bytearray([0])

    def __missing__(self, token: str) -> int:
        if is_comment(token):
            return NO_WORD
        number = self[token] = len(self)
        self._traits.append(_traits_of(token))
        return number

    def traits(self) -> NDArray[np.uint8]:
        """Return the traits of each word, by number; a copy, since a view would forbid new words."""
        return np.array(self._traits, dtype=np.uint8)


def _traits_of(token: str) -> int:
    if is_name(token):
        return NAME | (token in KEYWORDS) * KEYWORD | is_fixed(token) * FIXED | token.isupper() * CAPITALS
    return (token == "(") * OPENS | (token in (".", "->")) * ACCESSES


@dataclass(frozen=True, kw_only=True)
class Lexed:
    """The tokens of many functions, without comments.

    Args:
        words: Of these functions, and of others that share the numbering.
        word_T: Number of each token.
        is_free_T: Bool: names whose change may change nothing, by what stands around them; called ones among them.
        is_changeable_T: Bool: of these, variables, parameters, labels, types and the function's own name.
        function_T: The function that each token belongs to.
        sizes_F: Tokens of each function.
        own_F: Word that is each function's name, its first name before a parenthesis that is no macro; NO_WORD: none.
    """

    words: Words
    word_T: NDArray[np.int32]
    is_free_T: NDArray[np.bool_]
    is_changeable_T: NDArray[np.bool_]
    function_T: NDArray[np.int32]
    sizes_F: NDArray[np.int64]
    own_F: NDArray[np.int32]

    @property
    def renamed_T(self) -> NDArray[np.int32]:
        """Number of each token, with the names that may be changed made one word."""
        return np.where(self.is_changeable_T, np.int32(ANY_NAME_NUMBER), self.word_T)

    @property
    def is_identifier_T(self) -> NDArray[np.bool_]:
        """Which tokens are names and no keywords."""
        traits_T = self.words.traits()[self.word_T]
        is_identifier_T: NDArray[np.bool_] = (traits_T & (NAME | KEYWORD)) == NAME
        return is_identifier_T


def lex(sources: Sequence[str], words: Words | None = None) -> Lexed:
    """Split C or C++ functions into numbered tokens.

    Args:
        words: Continues the numbering of other functions.
    """
    words = Words() if words is None else words
    number_of = words.__getitem__
    split = [np.array(list(map(number_of, all_tokens_of(func))), dtype=np.int32) for func in sources]
    word_T = np.concatenate(split) if split else np.empty(0, dtype=np.int32)
    function_T = np.repeat(np.arange(len(split), dtype=np.int32), [len(of_function) for of_function in split])
    kept_T = word_T != NO_WORD
    word_T, function_T = word_T[kept_T], function_T[kept_T]
    is_free_T, called_T, own_F = _names(words.traits()[word_T], word_T, function_T, functions=len(sources))
    return Lexed(
        words=words,
        word_T=word_T,
        is_free_T=is_free_T,
        is_changeable_T=is_free_T & (~called_T | (word_T == own_F[function_T])),
        function_T=function_T,
        sizes_F=np.bincount(function_T, minlength=len(sources)),
        own_F=own_F,
    )


def own_names(words: Words, own_F: NDArray[np.int32]) -> list[str | None]:
    """Return the name of each function, None without one.

    Args:
        own_F: Of `Lexed`.
    """
    spelled = list(words)
    return [None if word == NO_WORD else spelled[word] for word in own_F.tolist()]


def _names(
    traits_T: NDArray[np.uint8], word_T: NDArray[np.int32], function_T: NDArray[np.int32], *, functions: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int32]]:
    """Return which tokens are names, but members, capitals and keywords; which are called; and own names, (F,)."""
    is_name_T = (traits_T & NAME) > 0
    # Tokens of the next function, and of the one before, are no neighbours.
    same_T = function_T[1:] == function_T[:-1]
    called_T, member_T = np.zeros_like(is_name_T), np.zeros_like(is_name_T)
    called_T[:-1] = is_name_T[:-1] & same_T & ((traits_T[1:] & OPENS) > 0)
    member_T[1:] = same_T & ((traits_T[:-1] & ACCESSES) > 0)
    places = np.flatnonzero(called_T & ((traits_T & (KEYWORD | CAPITALS)) == 0))
    named, first = np.unique(function_T[places], return_index=True)
    own_F = np.full(functions, NO_WORD, dtype=np.int32)
    own_F[named] = word_T[places[first]]
    return is_name_T & ((traits_T & FIXED) == 0) & ~member_T, called_T, own_F
