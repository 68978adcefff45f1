"""A prepared data set read back: what went in comes out, and damage is found."""

import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError
from trainers.data.batching import collate_graphs
from trainers.data.dataset import Dataset
from trainers.data.encoding import build_chunk


@pytest.fixture
def dataset(dataset_folder: Path) -> Dataset:
    return Dataset.open(dataset_folder)


@pytest.fixture
def copied(dataset_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(dataset_folder, tmp_path / "copy"))


def test_what_went_in_comes_out(dataset: Dataset, records: list[dict[str, Any]]):
    by_id = {record["id"]: record for record in records}
    rows = np.concatenate([dataset.rows(split) for split in Split])

    assert sorted(dataset.ids(rows)) == sorted(by_id)
    for i, row_id in enumerate(dataset.ids(rows)):
        record = by_id[row_id]
        one = rows[i : i + 1]
        assert dataset.sources(one) == [record["func"]]
        assert dataset.labels(one).tolist() == [record["target"]]
        assert dataset.pairs(one) == [record["pair"]]
        assert dataset.cwes(one) == ["CWE-787"]
        assert dataset.projects(one) == [record["project"]]
        assert dataset.commits(one) == [record["commit"]]


def test_the_manifest_counts_what_is_there(dataset: Dataset):
    for split in Split:
        rows = dataset.rows(split)
        summary = dataset.manifest.splits[split]
        assert (len(rows), int(dataset.labels(rows).sum())) == (summary.rows, summary.positives)
    assert len(dataset) == dataset.manifest.rows == 120


def test_no_group_is_in_two_splits(dataset: Dataset):
    splits_of = defaultdict(set)
    for split in Split:
        for group in dataset.groups(dataset.rows(split)):
            splits_of[group].add(split)

    assert all(len(splits) == 1 for splits in splits_of.values())
    assert len(splits_of) == 60


def test_a_stored_graph_is_the_graph_that_is_built(dataset: Dataset):
    row = int(dataset.rows("train")[0])
    built = build_chunk(dataset.sources([row]), max_nodes=2_000)

    graph = dataset.graph(row)

    assert graph.node_type_N.tolist() == (built.kind_N + 2).tolist()
    assert graph.node_statement_N.tolist() == built.statement_N.tolist()
    assert graph.edge_src_E.tolist() == built.source_E.tolist()
    assert graph.edge_dst_E.tolist() == built.target_E.tolist()
    assert graph.edge_type_E.tolist() == built.edge_type_E.tolist()
    nodes, edges = dataset.graph_sizes([row])
    assert (int(nodes[0]), int(edges[0])) == (int(built.nodes_F[0]), int(built.edges_F[0]))


def test_tokens_are_numbered_by_a_vocabulary_fitted_on_train_only(dataset: Dataset):
    train_words = set(" ".join(dataset.sources(dataset.rows("train"))).replace("(", " ").split())
    gate = int(dataset.rows("gate")[0])
    own_name = dataset.sources([gate])[0].split("(")[0].removeprefix("int ")

    tokens = [dataset.vocab.tokens[number] for number in dataset.graph(gate).node_token_N]

    assert own_name not in train_words
    assert own_name not in dataset.vocab.tokens
    assert "<unknown>" in tokens
    assert "size" in tokens


def test_arrays_cannot_be_written_to(dataset: Dataset):
    with pytest.raises(ValueError, match="read-only"):
        dataset.graph(0).node_token_N[0] = 5


def test_a_batch_is_its_graphs_side_by_side_with_every_edge_in_both_directions(dataset: Dataset):
    rows = dataset.rows("train")[:5]

    batch = collate_graphs(dataset, rows)

    offset = 0
    forward = batch.edge_type_E < len(dataset.vocab.edge_types)
    half = int(forward.sum())
    assert forward[:half].all()
    start = 0
    for place, row in enumerate(rows):
        graph = dataset.graph(int(row))
        nodes, edges = len(graph.node_type_N), len(graph.edge_src_E)
        part = slice(offset, offset + nodes)
        assert batch.node_type_N[part].tolist() == graph.node_type_N.tolist()
        assert batch.node_token_N[part].tolist() == graph.node_token_N.tolist()
        assert batch.node_features_N4[part].tolist() == graph.node_features_N4.tolist()
        assert (batch.node_statement_N[part] - offset).tolist() == graph.node_statement_N.tolist()
        assert (batch.graph_of_node_N[part] == place).all()
        edge = slice(start, start + edges)
        assert (batch.edge_index_2E[0, edge] - offset).tolist() == graph.edge_src_E.tolist()
        assert (batch.edge_index_2E[1, edge] - offset).tolist() == graph.edge_dst_E.tolist()
        assert batch.edge_type_E[edge].tolist() == graph.edge_type_E.tolist()
        offset, start = offset + nodes, start + edges
    assert (offset, start) == (len(batch.node_type_N), half)
    assert torch.equal(batch.edge_index_2E[:, half:], batch.edge_index_2E[:, :half].flip(0))
    assert torch.equal(batch.edge_type_E[half:], batch.edge_type_E[:half] + 5)
    assert batch.graphs == 5


def test_a_graph_s_part_of_a_batch_does_not_depend_on_its_neighbours(dataset: Dataset):
    first, second, third = (int(row) for row in dataset.rows("train")[:3])
    nodes = int(dataset.graph_sizes([third])[0][0])

    alone = collate_graphs(dataset, [third])
    among = collate_graphs(dataset, [second, first, third])

    assert torch.equal(among.node_type_N[-nodes:], alone.node_type_N)
    assert torch.equal(among.node_features_N4[-nodes:], alone.node_features_N4)
    before = len(among.node_type_N) - nodes
    own = (among.edge_index_2E >= before).all(dim=0)
    assert torch.equal(among.edge_index_2E[:, own] - before, alone.edge_index_2E)


def test_a_batch_moves_as_a_whole(dataset: Dataset):
    batch = collate_graphs(dataset, dataset.rows("dev")[:2]).to("meta")

    assert batch.edge_index_2E.device.type == "meta"
    assert batch.graphs == 2


@pytest.mark.parametrize("name", ["functions.arrow", "graphs.safetensors", "vocab.json", "report.json"])
def test_one_changed_byte_is_found(copied: Path, name: str):
    path = copied / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(DataError) as caught:
        Dataset.open(copied, verify=True)

    assert [problem.where for problem in caught.value.problems] == [str(path)]


def test_missing_and_cut_files_are_all_reported_without_hashing(copied: Path):
    (copied / "vocab.json").unlink()
    graphs = copied / "graphs.safetensors"
    graphs.write_bytes(graphs.read_bytes()[:-1])

    with pytest.raises(DataError) as caught:
        Dataset.open(copied)

    assert {problem.where for problem in caught.value.problems} == {str(copied / "vocab.json"), str(graphs)}


def test_a_manifest_that_was_changed_is_found(copied: Path):
    path = copied / "dataset.json"
    manifest = json.loads(path.read_text())
    manifest["prepare"]["split_seed"] = 99
    path.write_text(json.dumps(manifest))

    with pytest.raises(DataError, match="not as it was prepared"):
        Dataset.open(copied, verify=True)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema_version": 2}'])
def test_a_manifest_that_cannot_be_read_is_a_data_error(copied: Path, content: str):
    (copied / "dataset.json").write_text(content)

    with pytest.raises(DataError):
        Dataset.open(copied)


def test_a_folder_without_a_manifest_is_no_data_set(tmp_path: Path):
    with pytest.raises(DataError, match="no prepared data set"):
        Dataset.open(tmp_path)


def test_an_unknown_split_is_refused(dataset: Dataset):
    with pytest.raises(ValueError, match="holdout"):
        dataset.rows("holdout")
