"""Hashed counts of text and graphs, and the logistic regression over them."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from scipy import sparse

from cellgate.contract.errors import DataError
from trainers.data.dataset import Dataset
from trainers.models.linear import text
from trainers.models.linear.graph import patterns_of_graphs
from trainers.models.linear.hashing import BUCKET_BITS, BUCKETS, Found, Patterns, mixed, ngrams
from trainers.models.linear.model import LinearModel
from trainers.models.linear.text import lines_of_parts, patterns_of_text


def test_hashes_are_the_same_on_every_machine() -> None:
    first = mixed(np.array([1, 2**63], dtype=np.uint64), 7)

    assert first.tolist() == [8654009329490660743, 730923791811709280]
    assert patterns_of_text(["free(p);"]).counted().indices.tolist() == [
        *(1228, 498770, 655981, 911384, 916475),
        *(1146985, 1631527, 1983317, 2009576, 2140886, 2363718),
        *(3064244,),
        *(3224726, 3741373, 3765926, 3788972, 4165523, 4693074),
    ]


def test_ngrams_do_not_cross_from_one_function_into_the_next() -> None:
    items = np.arange(5, dtype=np.uint64)
    function_of = np.array([0, 0, 0, 1, 1])

    runs = [
        list(zip(*(place.tolist() for place in kind.places), strict=True))
        for kind in ngrams(items, function_of, longest=3)
    ]

    assert runs == [[(0,), (1,), (2,), (3,), (4,)], [(0, 1), (1, 2), (3, 4)], [(0, 1, 2)]]


def test_a_function_shorter_than_the_longest_ngram_is_counted() -> None:
    counts = patterns_of_text(["x", "", "free ( p )"]).counted()

    assert counts.shape == (3, 5 * BUCKETS)
    views = [counts[:, view * BUCKETS : (view + 1) * BUCKETS].sum(axis=1).T.tolist()[0] for view in range(5)]
    # Runs of one, two and three parts, whole words, and names by their use: of `free (p)` that it is called.
    assert views == [[1, 0, 4], [0, 0, 3], [0, 0, 2], [1, 0, 4], [0, 0, 1]]


def test_names_of_one_meaning_have_parts_in_common() -> None:
    snake, camel, upper, other = patterns_of_text(["buf_free", "bufFree", "BUF_FREE", "memcpy"]).counted().toarray() > 0

    # `buf`, `free`, and the one after the other where no sign stands between.
    assert (snake & camel & upper).sum() >= 2
    assert not (snake & other).any()


def test_a_name_has_its_case_as_a_whole_word_and_is_known_by_its_use() -> None:
    called, read, upper = patterns_of_text(["free(p)", "q->free", "FREE(p)"]).counted().toarray() > 0

    def common(view: int) -> int:
        return int((called & upper)[view * BUCKETS : (view + 1) * BUCKETS].sum())

    assert [common(view) for view in range(5)] == [4, 3, 2, 3, 0]
    assert not (called & read)[4 * BUCKETS :].any()


def test_a_use_does_not_reach_into_the_next_function_and_numbers_are_no_names() -> None:
    used = patterns_of_text(["a.", "b", "f", "(c", "1.5f(2(", "_ -> d", "g ( )"]).patterns[-1]

    # The parts of all functions that they stand at: `g` before a bracket, and `d` after `->`.
    assert [place.tolist() for place in used.places] == [[16, 15]]


def test_a_view_counts_alike_however_many_patterns_it_has() -> None:
    one, many = (Patterns(hash_N=hashes(9, 1), places=(np.zeros(1, dtype=np.int64),), view=view) for view in (0, 1))
    crowd = Patterns(hash_N=np.arange(50, dtype=np.uint64) << 44, places=(np.zeros(50, dtype=np.int64),), view=1)
    found = Found(patterns=[one, many, crowd], function_T=np.zeros(1, dtype=np.int64), functions=1, views=2)
    weight_K, idf_K = np.zeros(2 * BUCKETS, dtype=np.float32), np.ones(2 * BUCKETS, dtype=np.float32)
    weight_K[9] = 1.0

    assert LinearModel(weight_K=weight_K, idf_K=idf_K, bias=0.0).log_odds(found.counted()) == pytest.approx(0.5**0.5)


def test_whatever_characters_a_function_has_it_is_counted() -> None:
    assert patterns_of_text(['char *s = "größe ☃ 変数 \ud800";']).counted().nnz > 10


def test_long_parts_are_counted_and_not_kept() -> None:
    kept = text._kept.cache_info().currsize

    first, second = (patterns_of_text([f"{letter * 50_000} = 1;"]).counted() for letter in "ab")

    assert (first != second).nnz > 0
    assert text._kept.cache_info().currsize <= kept + 3


def test_patterns_of_a_graph_do_not_depend_on_the_other_graphs(dataset: Dataset) -> None:
    together = patterns_of_graphs(dataset, np.array([3, 8, 5])).counted()

    alone = sparse.vstack([patterns_of_graphs(dataset, np.array([row])).counted() for row in (3, 8, 5)])
    assert (together != alone).nnz == 0
    assert together.nnz > 0


def test_what_tells_the_classes_apart_gets_the_weight() -> None:
    counts, labels = told_by_bucket_9(functions=60)

    model = LinearModel.fit(counts, labels, strength=1.0)

    assert np.argmax(model.weight_K) == 9
    assert ((model.log_odds(counts) > 0) == (labels == 1)).all()


def test_a_bucket_that_hardly_a_function_of_train_has_counts_for_nothing() -> None:
    counts, labels = told_by_bucket_9(functions=60)
    rare = sparse.lil_matrix(counts)
    rare[0, 100] = rare[1, 100] = 5

    model = LinearModel.fit(rare.tocsr(), labels, strength=1.0)

    assert model.idf_K[100] == 0
    assert model.log_odds(rare.tocsr()) == pytest.approx(model.log_odds(counts))


def test_a_model_reads_back_as_it_was_written(tmp_path: Path) -> None:
    counts, labels = told_by_bucket_9(functions=60)
    model = LinearModel.fit(counts, labels, strength=1.0)

    model.write(tmp_path / "linear.safetensors")

    assert (
        LinearModel.read(tmp_path / "linear.safetensors").log_odds(counts).tolist() == model.log_odds(counts).tolist()
    )


def test_one_model_is_written_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    counts, labels = told_by_bucket_9(functions=60)

    written = set()
    for number in range(20):
        path = tmp_path / f"{number}.safetensors"
        LinearModel.fit(counts, labels, strength=1.0).write(path)
        written.add(path.read_bytes())

    assert len(written) == 1


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_file_is_refused_with_what_to_do(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "linear.safetensors"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match="linear model cannot be read"):
        LinearModel.read(path)


def test_more_views_than_any_model_has_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "linear.safetensors"
    counts, labels = told_by_bucket_9(functions=60)
    LinearModel.fit(counts, labels, strength=1.0).write(path)
    arrays = safetensors.numpy.load_file(path) | {"views": np.array([10**9], dtype=np.int32)}
    safetensors.numpy.save_file(arrays, path, metadata={"format": "2"})

    with pytest.raises(DataError, match="1000000000 views"):
        LinearModel.read(path)


def test_a_model_of_another_format_is_refused_as_such_whatever_arrays_it_has(tmp_path: Path) -> None:
    path = tmp_path / "linear.safetensors"
    safetensors.numpy.save_file({"weight": np.zeros(1, dtype=np.float32)}, path, metadata={"format": "1"})

    with pytest.raises(DataError) as caught:
        LinearModel.read(path)

    assert "format 1, and this version reads 2" in caught.value.problems[0].found


def test_what_each_part_adds_gives_the_log_odds_with_the_bias(dataset: Dataset) -> None:
    rows = np.arange(40)
    found = patterns_of_text(dataset.sources(rows))
    model = LinearModel.fit(found.counted(), dataset.labels(rows), strength=1.0)

    adds = model.contributions(found)

    assert [len(of_function) for of_function in adds] == np.bincount(found.function_T).tolist()
    total = np.array([of_function.sum() for of_function in adds]) + model.bias
    assert total == pytest.approx(model.log_odds(found.counted()), abs=1e-5)


def test_what_each_node_adds_gives_the_log_odds_with_the_bias(dataset: Dataset) -> None:
    rows = np.arange(40)
    found = patterns_of_graphs(dataset, rows)
    model = LinearModel.fit(found.counted(), dataset.labels(rows), strength=1.0)

    adds = model.contributions(found)

    assert [len(of_function) for of_function in adds] == dataset.graph_sizes(rows)[0].tolist()
    total = np.array([of_function.sum() for of_function in adds]) + model.bias
    assert total == pytest.approx(model.log_odds(found.counted()), abs=1e-5)


def test_the_first_and_the_last_function_may_have_no_part() -> None:
    counts, labels = told_by_bucket_9(functions=60)
    model = LinearModel.fit(counts, labels, strength=1.0)

    assert [len(adds) for adds in model.contributions(patterns_of_text(["", "free(p);", "", ""]))] == [0, 5, 0, 0]


def test_parts_know_their_lines() -> None:
    [lines] = lines_of_parts(["int f()\n{\n\n    return bufFree;\n}"])

    assert lines.tolist() == [1, 1, 1, 1, 2, 4, 4, 4, 4, 5]


def told_by_bucket_9(*, functions: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Counts of noise and, in functions of class 1 alone, one more bucket."""
    rng = np.random.default_rng(0)
    labels = np.arange(functions) % 2
    vulnerable = np.flatnonzero(labels)
    places = {bucket: rng.integers(0, functions, 3) for bucket in range(20, 40)}
    places |= {9: vulnerable, 10: np.arange(functions)}
    patterns = [Patterns(hash_N=hashes(bucket, len(of_one)), places=(of_one,)) for bucket, of_one in places.items()]
    return Found(patterns=patterns, function_T=np.arange(functions), functions=functions).counted(), labels


def hashes(bucket: int, count: int) -> np.ndarray:
    """Hashes that fall into a bucket."""
    return np.full(count, (bucket << 64 - BUCKET_BITS) + 1, dtype=np.uint64)
