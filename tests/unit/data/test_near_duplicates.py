"""Near-duplicates: every pair that is alike enough is found, with its exact similarity."""

import itertools
import random

import pytest

from trainers.data.c_tokens import tokens_of
from trainers.data.clean import near_duplicates, shingle_file
from trainers.data.clean.lexing import Words, lex
from trainers.data.clean.near_duplicates import NearPairs, find_near_pairs

Pairs = dict[tuple[int, int], tuple[float, float]]


def near(sources: list[str], similarity: float = 0.8) -> Pairs:
    return as_pairs(find_near_pairs([lex(sources)], similarity=similarity))


def as_pairs(pairs: NearPairs) -> Pairs:
    columns = (pairs.first_P, pairs.second_P, pairs.similarity_P, pairs.renamed_similarity_P)
    return {(int(a), int(b)): (float(s), float(r)) for a, b, s, r in zip(*columns, strict=True)}


def jaccard(first: str, second: str) -> float:
    def shingles(func: str) -> set[tuple[str, ...]]:
        tokens = tokens_of(func)
        return {tuple(tokens[i : i + 5]) for i in range(len(tokens) - 4)}

    a, b = shingles(first), shingles(second)
    return len(a & b) / len(a | b)


def mutated(words: list[str], changes: int, rng: random.Random) -> str:
    chosen = list(words)
    for place in rng.sample(range(len(words)), changes):
        chosen[place] = rng.choice(["A1", "B2", "C3", "D4"])
    return " ".join(chosen)


def test_all_pairs_of_many_are_those_that_comparing_every_two_finds():
    rng = random.Random(5)
    originals = [[rng.choice(["A1", "B2", "C3", "D4", "E5", "F6", "G7", "H8"]) for _ in range(90)] for _ in range(25)]
    sources = [mutated(words, changes, rng) for words in originals for changes in (0, 1, 2, 3, 5)]

    expected = {
        (first, second): similarity
        for first, second in itertools.combinations(range(len(sources)), 2)
        if (similarity := jaccard(sources[first], sources[second])) >= 0.8
    }
    found = near(sources)

    assert len(expected) > 20
    assert {pair: similarity for pair, (similarity, _) in found.items()} == pytest.approx(expected)


@pytest.mark.parametrize("entries", [1, 300])
def test_pairs_do_not_depend_on_how_much_is_held_at_once(monkeypatch: pytest.MonkeyPatch, entries: int):
    rng = random.Random(7)
    originals = [[rng.choice(["A1", "B2", "C3", "D4", "E5", "F6"]) for _ in range(60)] for _ in range(12)]
    sources = ["", *(mutated(words, changes, rng) for words in originals for changes in (0, 1, 3)), "x", ""]
    at_once = near(sources, 0.6)

    monkeypatch.setattr(shingle_file, "BLOCK_ENTRIES", entries)
    monkeypatch.setattr(near_duplicates, "PART_ENTRIES", entries)
    words, chunks = Words(), [sources[start : start + 5] for start in range(0, len(sources), 5)]

    assert len(at_once) > 10
    assert as_pairs(find_near_pairs((lex(chunk, words) for chunk in chunks), similarity=0.6)) == at_once


def test_a_pair_s_similarity_is_the_shared_part_of_both_sets_of_five_tokens():
    # 5 and 6 shingles, of which A B C D E and the four after it are shared.
    assert near(["A B C D E F G H I", "A B C D E F G H I J"], 0.5) == {(0, 1): (5 / 6, 5 / 6)}


def test_changed_names_count_in_one_comparison_and_not_in_the_other():
    first = "int first(int count) { int total = count * 2; return read_all(total, count); }"
    second = first.replace("count", "number").replace("total", "sum").replace("first", "second")

    ((names_kept, names_made_one),) = near([first, second]).values()

    assert names_kept < 0.5
    assert names_made_one == 1.0


@pytest.mark.parametrize("change", [("read_all", "write_all"), ("->size", "->length"), ("MAX", "MIN")])
def test_what_is_called_members_and_capitals_are_no_names_that_could_be_others(change: tuple[str, str]):
    func = "int f(struct s *x) { if (x->size > MAX) return read_all(x); return 0; }"

    pair = near([func, func.replace(*change)], 0.1)

    assert pair[0, 1][1] < 1.0


def test_comments_and_white_space_do_not_count():
    assert near(["int f(int a) { return a + 1; }", "int f(int a)\n{ /* more */\n  return a + 1; // one\n}"]) == {
        (0, 1): (1.0, 1.0)
    }


def test_functions_of_fewer_than_five_tokens_are_like_none():
    assert near(["f ( )", "f ( )"]) == {}


def test_tokens_do_not_run_on_from_one_function_into_the_next():
    assert near(["A B C", "D E F", "A B C D E", "A B C D E"], 0.1) == {(2, 3): (1.0, 1.0)}


def test_no_functions_have_no_pairs():
    assert near([]) == {}


def test_in_a_set_of_functions_that_are_all_alike_the_pairs_are_bounded_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(near_duplicates, "FEWEST_FUNCTIONS", 1)
    monkeypatch.setattr(near_duplicates, "MAX_PAIRS_PER_FUNCTION", 20)
    alike = lex([f"int f(int a) {{ g(a); g(a + 1); h(a); return a + {n}; }}" for n in range(200)])

    pairs = find_near_pairs([alike], similarity=0.5)

    assert not pairs.complete
    assert len(pairs.first_P) <= 2 * 20 * 200
