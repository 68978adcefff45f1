"""Tokens that lie on disk come back as they were lexed."""

import io

import numpy as np

from trainers.data.clean.lexing import Lexed, lex
from trainers.data.clean.token_file import TokenFile

SOURCES = [
    "int f(int a) { return a->b + g(a); }",
    "",
    "// only a comment",
    "void g(op *h) { h; h(1); MAX; }",
    "int k(void) { return f(2); }",
]


def spelled(lexed: Lexed) -> list[tuple[str, bool, bool, int]]:
    words = list(lexed.words)
    columns = (lexed.word_T, lexed.is_free_T, lexed.is_changeable_T, lexed.function_T)
    return [(words[word], bool(free), bool(own), int(at)) for word, free, own, at in zip(*columns, strict=True)]


def filled() -> TokenFile:
    tokens = TokenFile(io.BytesIO())
    for chunk in (SOURCES[:2], SOURCES[2:]):
        tokens.add(chunk)
    return tokens


def test_chosen_functions_are_those_that_lexing_them_alone_gives():
    first, second = filled().chunks([0, 3, 4])

    assert spelled(first) == spelled(lex(SOURCES[:1]))
    assert spelled(second) == spelled(lex(SOURCES[3:]))


def test_two_readers_do_not_disturb_each_other():
    tokens = filled()
    one, other = tokens.chunks(range(5)), tokens.chunks(range(5))

    for _ in range(2):
        assert spelled(next(one)) == spelled(next(other))


def test_sizes_leave_comments_out_and_follow_the_chosen_functions():
    assert np.array_equal(filled().sizes([1, 2, 4]), [0, 0, 13])
