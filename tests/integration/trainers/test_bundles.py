"""Bundles of real trained runs say what the runs stored, anywhere, and are refused when anything in them is not so."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests.finished_runs import noisy_log_odds, prepare_generated, write_run
from tests.tiny_checkpoints import make_checkpoint
from tests.trained_runs import GRAPH, PLANTED, TEXT, planted_function, run_cell
from trainers.aggregation.ensemble import ensemble_log_odds
from trainers.artifacts import sha256_of_file, write_json
from trainers.bundle.bundle import Bundle
from trainers.bundle.manifest import BundleManifest, bundle_id, files_of
from trainers.bundle.packing import pack_bundle
from trainers.data.dataset import Dataset
from trainers.engine.metrics import margins, sigmoid
from trainers.engine.predictions import predictions_path, read_predictions
from trainers.errors import DataError, SpecError
from trainers.results import RunResult, read_result
from trainers.specs import Split

HEAD = {"training": {"epochs": 3, "batch_size": 8, "learning_rate": {"value": 3e-3}}}
# By what is packed: the kind and the runs.
PACKED: dict[str, tuple[str, list[str]]] = {
    "text": ("single", ["t0"]),
    "text_of_two_seeds": ("single", ["t1", "t0"]),
    "graph": ("single", ["g0"]),
    "graph_of_two_seeds": ("single", ["g0", "g1"]),
    "ensemble": ("ensemble", ["t0", "g0"]),
    "ensemble_of_two_seeds": ("ensemble", ["t0", "g0", "t1", "g1"]),
    "fusion": ("fusion", ["t0", "g0", "f0"]),
    "fusion_of_two_seeds": ("fusion", ["f0", "t0", "g0", "f1", "t1", "g1"]),
    "fusion_with_unfrozen_models": ("fusion", ["t1", "g1", "u1"]),
}
# Says which files a bundle's self-test opens, and how often it connects to anything.
WATCHED_SELF_TEST = """
import json, sys
from pathlib import Path

opened, connections = [], 0

def watch(event, arguments):
    global connections
    if event == "open":
        opened.append(str(arguments[0]))
    connections += event == "socket.connect"

sys.addaudithook(watch)
from trainers.bundle.bundle import Bundle
difference = Bundle.open(Path(sys.argv[1])).self_test()
print(json.dumps({"difference": difference, "connections": connections, "opened": opened}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set and trained runs of every cell, two seeds each; u1 is a fusion that went on training both models."""
    folder = tmp_path_factory.mktemp("runs")
    dataset = prepare_generated(folder, functions=1000)
    for seed in (0, 1):
        common = {"dataset": str(dataset), "seed": seed, "device": "cpu", "lr_cache": str(folder / "cache")}
        bases = {"transformer": str(folder / f"t{seed}"), "gnn": str(folder / f"g{seed}")}
        run_cell(folder, "transformer", f"t{seed}", {**common, **TEXT})
        run_cell(folder, "gnn", f"g{seed}", {**common, **GRAPH})
        run_cell(folder, "fusion", f"f{seed}", {**common, **bases, **HEAD, "model": {"width": 8}})
    unfrozen = {"width": 8, "unfreeze": "both", "unfrozen_lr_ratio": 0.1}
    run_cell(folder, "fusion", "u1", {**common, **bases, **HEAD, "model": unfrozen})
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return Dataset.open(folder / "dataset")


def pack(folder: Path, target: Path, packed: str, **options: Any) -> BundleManifest:
    kind, runs = PACKED[packed]
    paths = [folder / run for run in runs]
    return pack_bundle(target, kind=kind, runs=paths, dataset=folder / "dataset", **options)  # type: ignore[arg-type]


def stored_log_odds(run: Path, split: Split) -> np.ndarray:
    result: RunResult = read_result(run / "result.json")
    assert result.temperature is not None
    return margins(read_predictions(predictions_path(run, split)).logits_RC) / result.temperature


def stored_probabilities(folder: Path, packed: str, split: Split, *, text_weight: float | None) -> np.ndarray:
    """The mean over seeds of what the runs stored; of an ensemble the weighted mean of both models."""
    kind, runs = PACKED[packed]
    if kind == "ensemble":
        assert text_weight is not None
        pairs = [(run, run.replace("t", "g")) for run in runs if run.startswith("t")]
        log_odds = [
            ensemble_log_odds(
                stored_log_odds(folder / text, split), stored_log_odds(folder / graph, split), text_weight=text_weight
            )
            for text, graph in pairs
        ]
    else:
        log_odds = [stored_log_odds(folder / run, split) for run in runs if kind == "single" or run[0] in "fu"]
    return np.mean([sigmoid(values) for values in log_odds], axis=0)


@pytest.mark.parametrize("packed", PACKED)
def test_a_bundle_says_what_its_runs_stored_of_every_function(
    packed: str, folder: Path, dataset: Dataset, tmp_path: Path
) -> None:
    manifest = pack(folder, tmp_path / "bundle", packed)

    bundle = Bundle.open(tmp_path / "bundle")
    rows = dataset.rows(Split.TEST)
    predictions = bundle.predict(dataset.sources(rows), explain="none")

    stored_R = stored_probabilities(folder, packed, Split.TEST, text_weight=manifest.text_weight)
    np.testing.assert_allclose([p.probability for p in predictions], stored_R, rtol=0, atol=1e-5)
    assert stored_R.std() > 0.05
    assert manifest.agreement.functions == len(dataset.rows(Split.GATE))
    assert manifest.agreement.largest_difference <= 1e-5
    assert [p.is_vulnerable for p in predictions] == [p.probability >= manifest.threshold for p in predictions]
    assert [p.graph_quality for p in predictions] == dataset.graph_qualities(rows)
    assert bundle.self_test() <= 1e-6


@pytest.mark.parametrize("run", ["t0", "g0", "f0"])
def test_a_bundle_of_one_seed_has_the_threshold_of_its_run(run: str, folder: Path, tmp_path: Path) -> None:
    packed = {"t0": "text", "g0": "graph", "f0": "fusion"}[run]

    manifest = pack(folder, tmp_path / "bundle", packed)

    assert manifest.threshold == read_result(folder / run / "result.json").threshold


def test_what_a_bundle_says_of_a_function_does_not_depend_on_its_neighbours(
    folder: Path, dataset: Dataset, tmp_path: Path
) -> None:
    pack(folder, tmp_path / "bundle", "fusion")
    bundle = Bundle.open(tmp_path / "bundle")
    sources = dataset.sources(dataset.rows(Split.TEST)[:20])

    together = [p.probability for p in bundle.predict(sources)]
    apart = [bundle.predict([f"\r\n  {source} \n"])[0].probability for source in reversed(sources)]

    np.testing.assert_allclose(together, apart[::-1], rtol=0, atol=1e-6)


def test_threads_that_share_a_bundle_get_what_one_would(folder: Path, dataset: Dataset, tmp_path: Path) -> None:
    pack(folder, tmp_path / "bundle", "fusion")
    bundle = Bundle.open(tmp_path / "bundle")
    sources = dataset.sources(dataset.rows(Split.TEST)[:24])
    alone = bundle.predict(sources)

    with ThreadPoolExecutor(4) as pool:
        shared = list(pool.map(lambda _: bundle.predict(sources), range(12)))

    assert all(predictions == alone for predictions in shared)


def test_a_bundle_scores_on_a_machine_that_has_nothing_else(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "made" / "bundle", "fusion_with_unfrozen_models")
    shutil.move(tmp_path / "made" / "bundle", tmp_path / "moved")

    done = subprocess.run(
        [sys.executable, "-c", WATCHED_SELF_TEST, str(tmp_path / "moved")],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["difference"] <= 1e-6
    assert told["connections"] == 0
    assert str(tmp_path / "moved" / "bundle.json") in told["opened"]
    assert not [path for path in told["opened"] if path.startswith((str(folder), str(tmp_path / "made")))]
    assert str(folder) not in "".join(path.read_text() for path in (tmp_path / "moved").rglob("*.json"))


def test_every_file_of_a_bundle_is_checked_before_it_is_used(folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    manifest = pack(folder, whole, "fusion")
    assert set(files_of(whole)) == set(manifest.files)
    assert {Path(name).suffix for name in manifest.files} == {".json", ".safetensors"}

    for name in manifest.files:
        path = whole / name
        kept = path.read_bytes()
        path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        with pytest.raises(DataError, match="not as it was made"):
            Bundle.open(whole)
        path.write_bytes(kept)
    Bundle.open(whole)


def test_weights_that_were_exchanged_with_their_hashes_fail_the_self_test(folder: Path, tmp_path: Path) -> None:
    manifest = pack(folder, tmp_path / "bundle", "graph")
    path = tmp_path / "bundle" / "seed-0" / "gnn" / "model.safetensors"
    save_file({name: tensor * 1.5 for name, tensor in load_file(path).items()}, path)
    files = {name: entry.model_dump() for name, entry in files_of(tmp_path / "bundle").items()}
    content = {**manifest.model_dump(mode="json"), "files": files}
    write_json(tmp_path / "bundle" / "bundle.json", {**content, "id": bundle_id(content)})

    with pytest.raises(DataError, match="scores otherwise on this machine"):
        Bundle.open(tmp_path / "bundle")
    assert Bundle.open(tmp_path / "bundle", self_test=False).manifest.kind == "single"


def _vouch_for_other_weights(run: Path) -> None:
    """Change a model and vouch for it anew, as if its predictions were of another training."""
    path = run / "model" / "model.safetensors"
    save_file({name: tensor * 1.2 for name, tensor in load_file(path).items()}, path)
    content = json.loads((run / "result.json").read_bytes())
    content["artifacts"]["model/model.safetensors"] = sha256_of_file(path)
    write_json(run / "result.json", content)


def test_a_model_that_does_not_say_what_its_run_stored_is_not_packed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "g0", tmp_path / "g0")
    _vouch_for_other_weights(tmp_path / "g0")
    runs = [tmp_path / "g0"]

    with pytest.raises(DataError, match=r"differ by up to 0\.\d+, expected 1e-05 at most; .* fp32 on cpu"):
        pack_bundle(tmp_path / "bundle", kind="single", runs=runs, dataset=folder / "dataset")

    assert not (tmp_path / "bundle").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["g0"]


def test_a_damaged_model_is_not_packed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "g0", tmp_path / "g0")
    (tmp_path / "g0" / "model" / "vocab.json").write_text("{}")
    (tmp_path / "g0" / "model" / "config.json").unlink()

    with pytest.raises(DataError, match="not the one that its result vouches for") as caught:
        pack_bundle(tmp_path / "bundle", kind="single", runs=[tmp_path / "g0"], dataset=folder / "dataset")
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
    kind: Any, runs: list[str], reason: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=reason):
        pack_bundle(tmp_path / "b", kind=kind, runs=[folder / run for run in runs], dataset=folder / "dataset")


def test_a_head_over_other_models_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "t0", tmp_path / "t0")
    content = json.loads((tmp_path / "t0" / "result.json").read_bytes())
    write_json(tmp_path / "t0" / "result.json", {**content, "temperature": 7.0})
    runs = [tmp_path / "t0", folder / "g0", folder / "f0"]

    with pytest.raises(SpecError, match=r"seed 0, transformer: found sha256:\w+ at temperature 7"):
        pack_bundle(tmp_path / "bundle", kind="fusion", runs=runs, dataset=folder / "dataset")


def test_nothing_that_is_there_is_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    with pytest.raises(SpecError, match="found something there, expected nothing"):
        pack(folder, tmp_path / "there", "text")


def test_functions_without_text_are_refused_all_at_once(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "bundle", "graph")
    bundle = Bundle.open(tmp_path / "bundle")

    with pytest.raises(DataError) as caught:
        bundle.predict(["int f(void) { return 0; }", " \n", "int g(void) { return '\ud800'; }"])
    with pytest.raises(SpecError, match=r"threshold: found 1\.5"):
        bundle.predict(["int f(void) { return 0; }"], threshold=1.5)

    assert [problem.where for problem in caught.value.problems] == ["/functions/1", "/functions/2"]
    assert bundle.predict([]) == []


@pytest.mark.parametrize(("kind", "runs"), [("single", ["t"]), ("single", ["g"]), ("ensemble", ["t", "g"])])
def test_the_line_that_makes_a_function_vulnerable_weighs_most(
    kind: Any, runs: list[str], planted: Path, tmp_path: Path
) -> None:
    dataset = planted / "prepare" / "dataset"
    pack_bundle(tmp_path / "bundle", kind=kind, runs=[planted / run for run in runs], dataset=dataset)
    sources = [planted_function(number)[0] for number in range(1000, 1020)]

    predictions = Bundle.open(tmp_path / "bundle").predict(sources)

    assert [prediction.is_vulnerable for prediction in predictions] == [False, True] * 10
    for source, prediction in zip(sources, predictions, strict=True):
        if not prediction.is_vulnerable:
            assert prediction.weights is None
            continue
        assert prediction.weights is not None
        first = prediction.weights[0]
        assert source.split("\n")[first.start_line - 1] == PLANTED
        assert first.start_line == first.end_line


@pytest.fixture(scope="module")
def ready(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set again, its graphs made elsewhere, and a text model trained on it."""
    target = tmp_path_factory.mktemp("ready")
    rows = [json.loads(line) for line in (folder / "functions.jsonl").read_text().splitlines()]
    nodes = [["METHOD", "int f(int n)"], ["BLOCK", "{ return n; }"], ["RETURN", "return n;"], ["IDENTIFIER", "n"]]
    edges = [[0, 1, "AST"], [1, 2, "AST"], [2, 3, "AST"]]
    graphs = [{"id": row["id"], "nodes": nodes, "edges": edges} for row in rows]
    (target / "graphs.jsonl").write_text("".join(json.dumps(graph) + "\n" for graph in graphs))
    spec = {"source": str(folder / "functions.jsonl"), "graphs": str(target / "graphs.jsonl")}
    run_cell(target, "prepare", "prepare", spec)
    run_cell(target, "transformer", "t", {"dataset": str(target / "prepare" / "dataset"), "device": "cpu", **TEXT})
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


@pytest.mark.parametrize(
    ("kind", "more"), [("roberta", {}), ("t5", {"lora": {"rank": 4, "alpha": 8}}), ("gpt2", {"max_tokens": 32})]
)
def test_a_fine_tuned_checkpoint_says_what_its_run_stored(
    kind: str, more: dict[str, Any], planted: Path, tmp_path: Path
) -> None:
    path = planted / "prepare" / "dataset"
    model = {"checkpoint": str(make_checkpoint(kind, tmp_path / "checkpoint")), **more}
    training = {"epochs": 4, "batch_size": 8, "learning_rate": {"value": 3e-3}}
    run_cell(
        tmp_path, "transformer", "run", {"dataset": str(path), "device": "cpu", "model": model, "training": training}
    )
    pack_bundle(tmp_path / "bundle", kind="single", runs=[tmp_path / "run"], dataset=path)
    shutil.rmtree(tmp_path / "checkpoint")
    dataset = Dataset.open(path)

    predictions = Bundle.open(tmp_path / "bundle").predict(dataset.sources(dataset.rows(Split.TEST)), explain="none")

    stored_R = sigmoid(stored_log_odds(tmp_path / "run", Split.TEST))
    np.testing.assert_allclose([p.probability for p in predictions], stored_R, rtol=0, atol=1e-5)
    assert stored_R.std() > 0.01
    assert any(p.text_truncated for p in predictions) == (kind != "t5")
