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

from cellgate.contract.bundle import bundle_id, files_of
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError, SpecError
from cellgate.contract.files import write_json
from cellgate.contract.results import RunResult, read_result
from tests.tiny_checkpoints import make_checkpoint
from tests.trained_runs import PACKED, PLANTED, pack, planted_function, run_cell
from trainers.bundle.bundle import Bundle
from trainers.bundle.packing import pack_bundle
from trainers.data.dataset import Dataset
from trainers.engine.metrics import margins, sigmoid
from trainers.engine.predictions import predictions_path, read_predictions
from trainers.evaluation.ensemble import ensemble_log_odds

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
def dataset(every_cell: Path) -> Dataset:
    return Dataset.open(every_cell / "dataset")


def stored_log_odds(run: Path, split: Split) -> np.ndarray:
    result: RunResult = read_result(run / "result.json")
    assert result.temperature is not None
    return margins(read_predictions(predictions_path(run, split)).logits_RC) / result.temperature


def stored_probabilities(
    every_cell: Path, packed: str, split: Split, *, text_weight: float | None, temperature: float | None
) -> np.ndarray:
    """The mean over seeds of what the runs stored; of an ensemble the weighted mean of both models, calibrated."""
    kind, runs = PACKED[packed]
    if kind == "ensemble":
        assert text_weight is not None
        pairs = [(run, run.replace("t", "g")) for run in runs if run.startswith("t")]
        log_odds = [
            ensemble_log_odds(
                stored_log_odds(every_cell / text, split),
                stored_log_odds(every_cell / graph, split),
                text_weight=text_weight,
            )
            for text, graph in pairs
        ]
    else:
        log_odds = [stored_log_odds(every_cell / run, split) for run in runs if kind == "single" or run[0] in "fu"]
    mean_R = np.mean([sigmoid(values) for values in log_odds], axis=0)
    return mean_R if temperature is None else sigmoid(np.log(mean_R / (1 - mean_R)) / temperature)


def test_a_bundle_is_judged_by_what_it_says_of_each_function_and_by_its_own_threshold(
    every_cell: Path, dataset: Dataset, tmp_path: Path
) -> None:
    manifest = pack(every_cell, tmp_path / "bundle", "ensemble")
    rows = np.concatenate([dataset.rows(split) for split in (Split.GATE, Split.TEST)])
    folder = str(every_cell / "dataset")

    run_cell(tmp_path, "evaluate", "e", {"dataset": folder, "bundle": str(tmp_path / "bundle"), "trained_on": folder})

    found = read_result(tmp_path / "e" / "result.json").evaluation
    assert found is not None
    verdicts = Bundle.open(tmp_path / "bundle").predict(dataset.sources(rows), explain="none")
    called = np.array([verdict.is_vulnerable for verdict in verdicts])
    positive = dataset.labels(rows) == 1
    assert (found.detector, found.threshold, found.metrics.rows) == (manifest.id, manifest.threshold, len(rows))
    assert found.metrics.true_positives == int((called & positive).sum())
    assert found.metrics.false_positives == int((called & ~positive).sum())
    assert found.overlap is not None
    assert (found.overlap.exact, found.overlap.same_commit) == (0, 0)


@pytest.mark.parametrize("packed", PACKED)
def test_a_bundle_says_what_its_runs_stored_of_every_function(
    packed: str, every_cell: Path, dataset: Dataset, tmp_path: Path
) -> None:
    manifest = pack(every_cell, tmp_path / "bundle", packed)

    bundle = Bundle.open(tmp_path / "bundle")
    rows = dataset.rows(Split.TEST)
    predictions = bundle.predict(dataset.sources(rows), explain="none")

    stored_R = stored_probabilities(
        every_cell, packed, Split.TEST, text_weight=manifest.text_weight, temperature=manifest.temperature
    )
    assert (manifest.temperature is not None) == (manifest.kind == "ensemble")
    np.testing.assert_allclose([p.probability for p in predictions], stored_R, rtol=0, atol=1e-5)
    assert stored_R.std() > 0.05
    assert manifest.agreement.functions == len(dataset.rows(Split.GATE))
    assert manifest.agreement.largest_difference <= 1e-5
    assert [p.is_vulnerable for p in predictions] == [p.probability >= manifest.threshold for p in predictions]
    assert [p.graph_quality for p in predictions] == dataset.graph_qualities(rows)
    assert bundle.self_test() <= 1e-6


@pytest.mark.parametrize("run", ["t0", "g0", "f0"])
def test_a_bundle_of_one_seed_has_the_threshold_of_its_run(run: str, every_cell: Path, tmp_path: Path) -> None:
    packed = {"t0": "text", "g0": "graph", "f0": "fusion"}[run]

    manifest = pack(every_cell, tmp_path / "bundle", packed)

    assert manifest.threshold == read_result(every_cell / run / "result.json").threshold


def test_what_a_bundle_says_of_a_function_does_not_depend_on_its_neighbours(
    every_cell: Path, dataset: Dataset, tmp_path: Path
) -> None:
    pack(every_cell, tmp_path / "bundle", "fusion")
    bundle = Bundle.open(tmp_path / "bundle")
    sources = dataset.sources(dataset.rows(Split.TEST)[:20])

    together = [p.probability for p in bundle.predict(sources)]
    apart = [bundle.predict([f"\r\n  {source} \n"])[0].probability for source in reversed(sources)]

    np.testing.assert_allclose(together, apart[::-1], rtol=0, atol=1e-6)


def test_threads_that_share_a_bundle_get_what_one_would(every_cell: Path, dataset: Dataset, tmp_path: Path) -> None:
    pack(every_cell, tmp_path / "bundle", "fusion")
    bundle = Bundle.open(tmp_path / "bundle")
    sources = dataset.sources(dataset.rows(Split.TEST)[:24])
    alone = bundle.predict(sources)

    with ThreadPoolExecutor(4) as pool:
        shared = list(pool.map(lambda _: bundle.predict(sources), range(12)))

    assert all(predictions == alone for predictions in shared)


def test_a_bundle_scores_on_a_machine_that_has_nothing_else(every_cell: Path, tmp_path: Path) -> None:
    pack(every_cell, tmp_path / "made" / "bundle", "fusion_with_unfrozen_models")
    shutil.move(tmp_path / "made" / "bundle", tmp_path / "moved")

    done = subprocess.run(
        [sys.executable, "-c", WATCHED_SELF_TEST, str(tmp_path / "moved")],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    assert reported["difference"] <= 1e-6
    assert reported["connections"] == 0
    assert str(tmp_path / "moved" / "bundle.json") in reported["opened"]
    assert not [path for path in reported["opened"] if path.startswith((str(every_cell), str(tmp_path / "made")))]
    assert str(every_cell) not in "".join(path.read_text() for path in (tmp_path / "moved").rglob("*.json"))


def test_every_file_of_a_bundle_is_checked_before_it_is_used(every_cell: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    manifest = pack(every_cell, whole, "fusion")
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


def test_weights_that_were_exchanged_with_their_hashes_fail_the_self_test(every_cell: Path, tmp_path: Path) -> None:
    manifest = pack(every_cell, tmp_path / "bundle", "graph")
    path = tmp_path / "bundle" / "seed-0" / "gnn" / "model.safetensors"
    save_file({name: tensor * 1.5 for name, tensor in load_file(path).items()}, path)
    files = {name: entry.model_dump() for name, entry in files_of(tmp_path / "bundle").items()}
    content = {**manifest.model_dump(mode="json"), "files": files}
    write_json(tmp_path / "bundle" / "bundle.json", {**content, "id": bundle_id(content)})

    with pytest.raises(DataError, match="scores otherwise on this machine"):
        Bundle.open(tmp_path / "bundle")
    assert Bundle.open(tmp_path / "bundle", self_test=False).manifest.kind == "single"


def test_functions_without_text_are_refused_all_at_once(every_cell: Path, tmp_path: Path) -> None:
    pack(every_cell, tmp_path / "bundle", "graph")
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


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("roberta", {"max_tokens": 64}),
        pytest.param("t5", {"lora": {"rank": 4, "alpha": 8}}, marks=pytest.mark.slow),
        pytest.param("gpt2", {"max_tokens": 32}, marks=pytest.mark.slow),
    ],
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
