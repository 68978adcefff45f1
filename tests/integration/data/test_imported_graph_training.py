"""Graphs that someone else made, from their file to a trained model of cell 52."""

import gzip
import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from cellgate.contract.artifacts import DATASET_FOLDER
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError
from cellgate.contract.events import EventWriter
from cellgate.contract.results import RunResult
from cellgate.contract.specs import GnnSpec, PrepareSpec
from trainers.data.dataset import Dataset
from trainers.data.prepare import PrepareResult, prepare
from trainers.demo_data.generator import generate
from trainers.engine.context import RunContext
from trainers.models.gnn.train import run as train

ROWS = 600


def prepared(out: Path, source: Path, graphs: Path | None, **settings: Any) -> PrepareResult:
    with EventWriter(out / "events.jsonl") as events:
        return prepare(PrepareSpec(source=source, graphs=graphs, **settings), out, events)


def trained(dataset: Path, out: Path) -> RunResult:
    training = {"epochs": 6, "batch_size": 16, "learning_rate": {"value": 3e-3}}
    spec = GnnSpec.model_validate(
        {"dataset": dataset, "model": {"width": 32, "layers": 3}, "training": training, "device": "cpu"}
    )
    with EventWriter(out / "events.jsonl") as events:
        return train(spec, RunContext(out=out, events=events, spec_hash="sha256:" + "5" * 64, started_at=time.time()))


@pytest.fixture(scope="module")
def joern(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 600 real functions with the graphs that Joern made of them, in the order of the file."""
    path = tmp_path_factory.mktemp("joern") / "graphs.jsonl"
    with gzip.open(real_data / "dev_devign_graphs.jsonl.gz", "rb") as file:
        path.write_bytes(b"".join(itertools.islice(file, ROWS)))
    return path


def test_a_model_trains_on_joern_s_graphs_of_real_functions(joern: Path, tmp_path: Path) -> None:
    result = prepared(tmp_path / "prepared", joern, joern)

    folder = tmp_path / "prepared" / DATASET_FOLDER
    dataset = Dataset.open(folder, verify=True)
    assert dataset.vocab.edge_types == ("ast",)
    assert {"CALL", "IDENTIFIER", "METHOD"} < set(dataset.vocab.node_types)
    assert result.summary.graph_quality["ready"] == len(dataset) == result.summary.rows
    records = {record["id"]: record for record in map(json.loads, joern.read_text().splitlines())}
    row = int(dataset.rows(Split.GATE)[0])
    theirs = records[dataset.ids([row])[0]]
    nodes, edges = dataset.graph_sizes([row])
    assert (int(nodes[0]), int(edges[0])) == (len(theirs["nodes"]), len(theirs["edges"]))
    graph = dataset.graph(row)
    assert [[*ends, "AST"] for ends in zip(graph.edge_src_E.tolist(), graph.edge_dst_E.tolist(), strict=True)] == (
        theirs["edges"]
    )

    scores = trained(folder, tmp_path / "trained")

    assert scores.dataset_id == dataset.id
    assert scores.metrics["gate"].rows == len(dataset.rows(Split.GATE))
    assert scores.parameters is not None


def test_the_id_depends_on_the_graphs_and_not_on_their_order(joern: Path, tmp_path: Path) -> None:
    lines = joern.read_text().splitlines()
    backwards = tmp_path / "backwards.jsonl"
    backwards.write_text("\n".join(reversed(lines)))
    record = json.loads(lines[0])
    record["edges"].pop()
    changed = tmp_path / "changed.jsonl"
    changed.write_text("\n".join([json.dumps(record), *lines[1:]]))

    ids = {
        name: prepared(tmp_path / name, joern, graphs).summary.id
        for name, graphs in (("same", joern), ("backwards", backwards), ("changed", changed), ("ours", None))
    }

    assert ids["same"] == ids["backwards"]
    assert len(set(ids.values())) == 3


def test_pyg_files_and_our_own_graphs_make_one_data_set_that_a_model_trains_on(tmp_path: Path) -> None:
    functions = list(generate(functions=300, seed=3))
    source = tmp_path / "functions.jsonl"
    source.write_text("\n".join(json.dumps(record) for record in functions))
    graphs = tmp_path / "graphs"
    graphs.mkdir()
    for record in functions[::2]:
        data = Data(
            edge_index=torch.tensor([[0, 1], [1, 2]]), node_type=["METHOD", "CALL", "LITERAL"], y=record["target"]
        )
        data.code = ["int f()", "f(1)", "1"]
        data.edge_type = ["AST", "ARGUMENT"]
        torch.save(data, graphs / f"{record['id']}.pt")

    result = prepared(tmp_path / "prepared", source, graphs)

    folder = tmp_path / "prepared" / DATASET_FOLDER
    assert result.summary.graph_quality == {"parsed": 150, "partial": 0, "token_chain": 0, "ready": 150}
    assert any("150 functions have no imported graph and got ours" in warning for warning in result.summary.warnings)
    dataset = Dataset.open(folder, verify=True)
    assert dataset.vocab.edge_types[0] == "ast"
    assert "argument" in dataset.vocab.edge_types
    assert trained(folder, tmp_path / "trained").metrics["gate"].rows == len(dataset.rows(Split.GATE))


def test_damaged_graphs_leave_no_data_set(joern: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text(joern.read_text() + '{"id": "ghost", "nodes": [["A", ""]], "edges": []}\n{"id": 5}\n')

    with pytest.raises(DataError) as caught:
        prepared(tmp_path / "prepared", joern, damaged)

    assert [problem.where for problem in caught.value.problems] == [
        f"damaged.jsonl, line {ROWS + 1}, ghost",
        f"damaged.jsonl, line {ROWS + 2}, 5, nodes",
        f"damaged.jsonl, line {ROWS + 2}, 5, edges",
    ]
    assert not (tmp_path / "prepared" / DATASET_FOLDER).exists()
