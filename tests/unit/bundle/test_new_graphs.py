"""Graphs of new functions are numbered as `prepare` numbers a data set's, with the vocabulary of the trained model."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellgate.contract.errors import DataError
from cellgate.contract.files import write_json
from tests.finished_runs import prepare_generated
from trainers.bundle.graphs import GraphEncoder, read_vocabulary
from trainers.data.dataset import Dataset
from trainers.data.encoding import build_chunk
from trainers.data.vocabulary import UNKNOWN


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.open(prepare_generated(tmp_path_factory.mktemp("data"), functions=200))


def test_the_functions_of_a_data_set_get_the_very_numbers_that_it_has(dataset: Dataset) -> None:
    rows = np.arange(len(dataset))
    raw = build_chunk(dataset.sources(rows), dataset.manifest.prepare["max_nodes"])

    encoded = GraphEncoder(dataset.vocab).encode(raw)

    for field in fields(encoded.graphs):
        found, expected = getattr(encoded.graphs, field.name), getattr(dataset.graphs, field.name)
        np.testing.assert_array_equal(found, expected, err_msg=field.name)
    for found, expected in zip(encoded.graph_sizes(rows[3:9]), dataset.graph_sizes(rows[3:9]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_word_that_the_vocabulary_lacks_is_unknown(dataset: Dataset) -> None:
    graphs = GraphEncoder(dataset.vocab).encode(build_chunk(["int never_seen_before(void) { return 0; }"], 100)).graphs

    tokens = set(graphs.node_token.tolist())
    assert UNKNOWN in tokens
    assert len(tokens) > 2


def test_a_saved_vocabulary_is_read_back(dataset: Dataset, tmp_path: Path) -> None:
    write_json(tmp_path / "vocab.json", dataset.vocab.to_json())

    assert read_vocabulary(tmp_path / "vocab.json") == dataset.vocab


@pytest.mark.parametrize(
    ("edge_types", "reason"),
    [
        (("ast", "cfg", "REACHING_DEF"), "reads graphs that cannot be made from source"),
        (("ast", "cfg"), "score with the text model alone"),
    ],
)
def test_a_model_of_ready_graphs_is_refused_with_what_to_do(
    edge_types: tuple[str, ...], reason: str, dataset: Dataset, tmp_path: Path
) -> None:
    write_json(tmp_path / "vocab.json", replace(dataset.vocab, edge_types=edge_types).to_json())

    with pytest.raises(DataError, match=reason):
        read_vocabulary(tmp_path / "vocab.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", json.dumps({"node_types": 3}).encode()])
def test_a_damaged_vocabulary_is_reported(content: bytes, tmp_path: Path) -> None:
    path: Any = tmp_path / "vocab.json"
    path.write_bytes(content)

    with pytest.raises(DataError, match="the vocabulary cannot be read"):
        read_vocabulary(path)
