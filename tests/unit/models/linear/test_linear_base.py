"""The linear model of a data set, and networks that are mixed with it."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from cellgate.contract.configs import Precision, Split
from cellgate.contract.errors import DataError
from cellgate.contract.events import EventWriter
from cellgate.contract.specs import Device
from trainers.data.dataset import Dataset
from trainers.data.writing import cached_if_possible
from trainers.engine.context import RunContext
from trainers.engine.hardware import set_up_hardware
from trainers.engine.metrics import Floats, auroc
from trainers.engine.task import Prediction, Rows, Task
from trainers.engine.train_cell import CellInputs
from trainers.models.linear import base as base_module
from trainers.models.linear.base import LinearBase, linear_base, text_as_saved, text_base
from trainers.models.linear.mixed import NETWORK_ALONE, Mix, MixedTask, best_mix
from trainers.models.linear.saved import LinearPart
from trainers.models.linear.text import patterns_of_text
from trainers.models.linear.trainee import mixed_trainee


def test_another_seed_finds_the_model_in_the_cache(dataset: Dataset, base: LinearBase, base_cache: Path) -> None:
    def count(_: Rows) -> sparse.csr_matrix:
        raise AssertionError("the functions are counted again")

    second = linear_base(dataset, count, kind="text", cache=base_cache)

    assert second is not None
    assert second.log_odds_F.tolist() == base.log_odds_F.tolist()


@pytest.mark.parametrize("name", ["model.safetensors", "log_odds.npy"])
def test_a_damaged_entry_of_the_cache_is_made_anew(
    name: str, dataset: Dataset, base: LinearBase, base_cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(base_cache, tmp_path, dirs_exist_ok=True)
    [path] = tmp_path.rglob(name)
    path.write_bytes(path.read_bytes()[:40])

    second = text_base(dataset, cache=tmp_path)

    assert second is not None
    assert second.log_odds_F.tolist() == base.log_odds_F.tolist()


def test_of_a_large_set_some_functions_are_fitted_on_and_all_are_judged(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(base_module, "MAX_FITTED", 100)
    monkeypatch.setattr(base_module, "CHUNK", 50)

    def count(rows: Rows) -> sparse.csr_matrix:
        counted.append(len(rows))
        return patterns_of_text(dataset.sources(rows)).counted()

    found = linear_base(dataset, count, kind="text", cache=tmp_path)

    assert found is not None
    assert len(found.log_odds_F) == len(dataset)
    assert max(counted) <= 100


def test_too_few_functions_of_a_class_have_no_linear_model(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_module, "MIN_FUNCTIONS", len(dataset))

    assert text_base(dataset, cache=tmp_path) is None


@pytest.mark.parametrize("missing", ["mix.json", "model.safetensors"])
def test_half_of_a_saved_part_is_refused(missing: str, base: LinearBase, tmp_path: Path) -> None:
    LinearPart(model=base.model, mix=Mix(network=1.0, linear=0.5, bias=0.0)).save(tmp_path)
    (tmp_path / "linear" / missing).unlink()

    with pytest.raises(DataError, match=missing):
        LinearPart.find(tmp_path)


@pytest.mark.parametrize(
    "changed", [{"network": float("nan")}, {"linear": -0.5}, {"bias": float("inf")}, {"bias": "x"}]
)
def test_weights_that_training_never_writes_are_refused(
    changed: dict[str, object], base: LinearBase, tmp_path: Path
) -> None:
    LinearPart(model=base.model, mix=Mix(network=1.0, linear=0.5, bias=0.0)).save(tmp_path)
    path = tmp_path / "linear" / "mix.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changed))

    with pytest.raises(DataError, match=r"mix\.json"):
        LinearPart.find(tmp_path)


def test_a_cache_that_cannot_be_written_ends_no_run(dataset: Dataset, base: LinearBase, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    found = text_base(dataset, cache=blocked)

    assert found is not None
    assert found.log_odds_F.tolist() == base.log_odds_F.tolist()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_not_passed_over(error: int) -> None:
    with pytest.raises(OSError, match="full"), cached_if_possible():
        raise OSError(error, "full")


def test_the_weights_are_those_that_rank_dev_best() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(2_000) % 2
    first, second = (2.0 * labels - 1 + rng.normal(0, 2, len(labels)) for _ in range(2))
    right: Floats = 2.0 * labels - 1
    noise = rng.normal(0, 1, len(labels))

    assert best_mix(labels, right, second) == NETWORK_ALONE
    both = best_mix(labels, first, second)
    assert both.network == pytest.approx(both.linear, rel=0.3)
    assert (auroc(labels, both.of(first, second)) or 0) > (auroc(labels, first) or 1) + 0.05
    alone = best_mix(labels, -first, second)
    assert (alone.network, alone.linear > 0) == (0.0, True)
    assert best_mix(labels, first, -second).linear == 0
    assert best_mix(labels, first, noise).network > 0
    assert best_mix(np.zeros(2_000, dtype=np.int64), first, second) == NETWORK_ALONE


def test_weights_stay_finite_and_the_mix_unsure_where_both_models_tell_all_of_dev_apart() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    # The network has one function wrong, the linear model none.
    network: Floats = (2.0 * labels - 1) * rng.uniform(1, 2, len(labels))
    network[0] *= -1
    linear: Floats = (2.0 * labels - 1) * rng.uniform(0.5, 1, len(labels))

    mix = best_mix(labels, network, linear)

    surest = np.abs(mix.of(network, linear)).max()
    # As sure as 100 of 100 functions make it, with a tenth of one assumed beside them.
    assert np.log(100) < surest < 2 * np.log(1001)


class OneWeight:
    """A task whose network has one linear layer over a feature of each function."""

    groups: tuple[()] = ()

    def __init__(self, feature_F: np.ndarray, weight: float) -> None:
        self.model = nn.Sequential(nn.Linear(1, 2))
        self.components: dict[str, list[nn.Parameter]] = {}
        self._feature_F = feature_F.astype(np.float32)
        with torch.no_grad():
            self.last_layer.weight.copy_(torch.tensor([[-weight], [weight]]))
            self.last_layer.bias.zero_()

    @property
    def last_layer(self) -> nn.Linear:
        layer = self.model[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        return [rng.permutation(rows)]

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        return [rows]

    def load_batch(self, rows: Rows) -> torch.Tensor:
        return torch.from_numpy(self._feature_F[rows][:, None])

    def predict(self, batch: torch.Tensor) -> Prediction:
        return Prediction(logits_BC=self.model(batch), embedding_BD=batch)


def test_the_logits_are_the_mix_of_both_models_log_odds(dataset: Dataset, base: LinearBase) -> None:
    feature = np.linspace(-1, 1, len(dataset))
    rows = dataset.rows(Split.DEV)
    both = MixedTask(OneWeight(feature, 0.5), base.log_odds_F)

    assert margin_of(both, rows) == pytest.approx(feature[rows], abs=1e-6)

    both.mix = Mix(network=2.0, linear=0.5, bias=-1.0)

    assert margin_of(both, rows) == pytest.approx(2 * feature[rows] + 0.5 * base.log_odds_F[rows] - 1, abs=1e-5)


@pytest.mark.parametrize(("knows", "warned", "saved"), [(1, [], False), (-1, ["network_adds_nothing"], True)])
def test_after_training_the_network_is_mixed_by_what_suits_dev_and_saved_so(
    knows: int, warned: list[str], saved: bool, dataset: Dataset, base: LinearBase, tmp_path: Path
) -> None:
    feature = knows * (2.0 * dataset.labels(np.arange(len(dataset))) - 1)
    hardware = set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=0)
    inputs = CellInputs(dataset=dataset, hardware=hardware)
    folders: list[Path] = []

    with EventWriter(tmp_path / "events.jsonl") as events:
        context = RunContext(out=tmp_path, events=events, spec_hash="", started_at=0.0)
        trainee = mixed_trainee(base, OneWeight(feature, 1.0), inputs=inputs, context=context, save=folders.append)
        warnings = trainee.review()
    trainee.save(tmp_path)

    said = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["code"] for event in said if event["kind"] == "warning"] == warned
    assert len(warnings) == len(warned)
    assert folders == [tmp_path]
    assert (LinearPart.find(tmp_path) is not None) is saved
    rows = dataset.rows(Split.GATE)
    again = text_as_saved(OneWeight(feature, 1.0), tmp_path, dataset)
    assert margin_of(again, rows) == pytest.approx(margin_of(trainee.task, rows), abs=1e-5)


def test_without_a_linear_model_the_network_is_by_itself(dataset: Dataset) -> None:
    task: Any = OneWeight(np.zeros(len(dataset)), 1.0)
    inputs: Any = None
    context: Any = None

    trainee = mixed_trainee(None, task, inputs=inputs, context=context, save=Path.mkdir)

    assert trainee.task is task
    assert trainee.review() == ()


def margin_of(task: Task, rows: Rows) -> np.ndarray:
    """A task's log-odds."""
    with torch.inference_mode():
        logits_BC = task.predict(task.load_batch(rows).to("cpu")).logits_BC
    margin: np.ndarray = (logits_BC[:, 1] - logits_BC[:, 0]).numpy()
    return margin
