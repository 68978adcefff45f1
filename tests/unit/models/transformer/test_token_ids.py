"""Token ids of a data set, and how long functions are cut."""

from pathlib import Path

import numpy as np
import pytest

from trainers.models.transformer.scratch import build_tokenizer
from trainers.models.transformer.token_ids import TokenizedDataset, head_and_tail, tokenize

SOURCES = ["int f(int a) { return a; }", "void g(void) { }", "int h(int b) { if (b > 3) { return b - 1; } return 0; }"]


def test_a_function_that_is_too_long_keeps_its_head_and_its_tail() -> None:
    assert head_and_tail([1, 2, 3, 4, 5, 6, 7, 8], 5) == [1, 2, 3, 7, 8]


@pytest.mark.parametrize("limit", [8, 9])
def test_a_function_that_fits_is_left_alone(limit: int) -> None:
    assert head_and_tail(list(range(8)), limit) == list(range(8))


def test_special_tokens_survive_the_cut() -> None:
    tokenizer = build_tokenizer(SOURCES, vocab_size=300)

    tokens = tokenize(SOURCES, tokenizer, max_tokens=6)

    assert tokens.truncated_F.tolist() == [True] * 3
    for row in range(3):
        ids = tokens.of(row)
        assert (len(ids), ids[0], ids[-1]) == (6, tokenizer.cls_token_id, tokenizer.sep_token_id)


def test_without_a_cut_the_ids_are_the_tokenizers() -> None:
    tokenizer = build_tokenizer(SOURCES, vocab_size=300)

    tokens = tokenize(SOURCES, tokenizer, max_tokens=512)

    assert tokens.truncated_F.tolist() == [False] * 3
    assert [tokens.of(row).tolist() for row in range(3)] == tokenizer(SOURCES)["input_ids"]
    assert tokens.lengths(np.array([2, 0])).tolist() == [len(tokens.of(2)), len(tokens.of(0))]


def test_the_file_maps_back_to_the_same_ids(tmp_path: Path) -> None:
    tokens = tokenize(SOURCES, build_tokenizer(SOURCES, vocab_size=300), max_tokens=10)

    tokens.write(tmp_path / "tokens.arrow")
    read = TokenizedDataset.read(tmp_path / "tokens.arrow")

    assert read is not None
    np.testing.assert_array_equal(read.truncated_F, tokens.truncated_F)
    np.testing.assert_array_equal(read.first_F, tokens.first_F)
    np.testing.assert_array_equal(read.ids, tokens.ids)


@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "tokens.arrow").write_bytes(content)

    assert TokenizedDataset.read(tmp_path / "tokens.arrow") is None
