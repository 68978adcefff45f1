"""Runs that do not make a bundle are refused, each with its reason, and leave nothing behind."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from cellgate.contract.errors import DataError, SpecError
from cellgate.contract.files import sha256_of_file, write_json
from tests.finished_runs import noisy_log_odds, write_run
from tests.trained_runs import pack, run_cell
from trainers.bundle.packing import pack_bundle
from trainers.data.dataset import Dataset


def _vouch_for_other_weights(run: Path) -> None:
    """Change a model and vouch for it anew, as if its predictions were of another training."""
    path = run / "model" / "model.safetensors"
    save_file({name: tensor * 1.2 for name, tensor in load_file(path).items()}, path)
    content = json.loads((run / "result.json").read_bytes())
    content["artifacts"]["model/model.safetensors"] = sha256_of_file(path)
    write_json(run / "result.json", content)


def test_a_prevalence_that_is_no_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="deployment_prevalence: found 1"):
        pack_bundle(tmp_path / "bundle", kind="single", runs=[], dataset=tmp_path, deployment_prevalence=1.0)


def test_a_model_that_does_not_say_what_its_run_stored_is_not_packed(every_cell: Path, tmp_path: Path) -> None:
    shutil.copytree(every_cell / "g0", tmp_path / "g0")
    _vouch_for_other_weights(tmp_path / "g0")
    runs = [tmp_path / "g0"]

    with pytest.raises(DataError, match=r"differ by up to 0\.\d+, expected 1e-05 at most; .* fp32 on cpu"):
        pack_bundle(tmp_path / "bundle", kind="single", runs=runs, dataset=every_cell / "dataset")

    assert not (tmp_path / "bundle").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["g0"]


def test_a_damaged_model_is_not_packed(every_cell: Path, tmp_path: Path) -> None:
    shutil.copytree(every_cell / "g0", tmp_path / "g0")
    (tmp_path / "g0" / "model" / "vocab.json").write_text("{}")
    (tmp_path / "g0" / "model" / "config.json").unlink()

    with pytest.raises(DataError, match="not the one that its result vouches for") as caught:
        pack_bundle(tmp_path / "bundle", kind="single", runs=[tmp_path / "g0"], dataset=every_cell / "dataset")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("kind", "runs", "reason"),
    [
        ("single", ["t0", "g0"], "seed 0: found gnn and transformer, expected"),
        ("single", ["t0", "g1"], "seed 1: found gnn, expected"),
        ("single", ["t0", "t0"], "a second run of transformer/0"),
        ("ensemble", ["t0", "g0", "t1"], "seed 1: found transformer, expected gnn and transformer"),
        ("fusion", ["t0", "g0"], "expected fusion and gnn and transformer"),
        ("single", [], "runs: found none"),
    ],
)
def test_runs_that_do_not_make_the_kind_are_refused(
    kind: Any, runs: list[str], reason: str, every_cell: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=reason):
        pack_bundle(tmp_path / "b", kind=kind, runs=[every_cell / run for run in runs], dataset=every_cell / "dataset")


def test_a_head_over_other_models_is_refused(every_cell: Path, tmp_path: Path) -> None:
    shutil.copytree(every_cell / "t0", tmp_path / "t0")
    content = json.loads((tmp_path / "t0" / "result.json").read_bytes())
    write_json(tmp_path / "t0" / "result.json", {**content, "temperature": 7.0})
    runs = [tmp_path / "t0", every_cell / "g0", every_cell / "f0"]

    with pytest.raises(SpecError, match=r"seed 0, transformer: found sha256:\w+ at temperature 7"):
        pack_bundle(tmp_path / "bundle", kind="fusion", runs=runs, dataset=every_cell / "dataset")


def test_nothing_that_is_there_is_overwritten(every_cell: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    with pytest.raises(SpecError, match="found something there, expected nothing"):
        pack(every_cell, tmp_path / "there", "text")


@pytest.fixture(scope="module")
def ready(every_cell: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set again, its graphs made elsewhere, and its text model, which is the same: it reads no graph."""
    target = tmp_path_factory.mktemp("ready")
    rows = [json.loads(line) for line in (every_cell / "functions.jsonl").read_text().splitlines()]
    nodes = [["METHOD", "int f(int n)"], ["BLOCK", "{ return n; }"], ["RETURN", "return n;"], ["IDENTIFIER", "n"]]
    edges = [[0, 1, "AST"], [1, 2, "AST"], [2, 3, "AST"]]
    graphs = [{"id": row["id"], "nodes": nodes, "edges": edges} for row in rows]
    (target / "graphs.jsonl").write_text("".join(json.dumps(graph) + "\n" for graph in graphs))
    spec = {"source": str(every_cell / "functions.jsonl"), "graphs": str(target / "graphs.jsonl")}
    run_cell(target, "prepare", "prepare", spec)
    shutil.copytree(every_cell / "t0", target / "t")
    content = json.loads((target / "t" / "result.json").read_bytes())
    dataset = Dataset.open(target / "prepare" / "dataset")
    write_json(target / "t" / "result.json", {**content, "dataset_id": dataset.id})
    return target


def test_models_of_ready_graphs_are_refused_with_what_to_do_and_their_text_model_is_packed(
    ready: Path, tmp_path: Path
) -> None:
    path = ready / "prepare" / "dataset"
    dataset = Dataset.open(path)
    graph = write_run(ready / "g", dataset, cell=52, seed=0, log_odds=noisy_log_odds(strength=2.0, seed=0))

    with pytest.raises(DataError, match=r"found \d+ functions whose graphs came ready, .*pack the text model alone"):
        pack_bundle(tmp_path / "ensemble", kind="ensemble", runs=[ready / "t", graph], dataset=path)
    with pytest.raises(DataError, match="graphs that cannot be made from source"):
        pack_bundle(tmp_path / "single", kind="single", runs=[graph], dataset=path)

    assert pack_bundle(tmp_path / "text", kind="single", runs=[ready / "t"], dataset=path).kind == "single"
