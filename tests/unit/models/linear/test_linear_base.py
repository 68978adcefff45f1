"""The linear model that a network starts from."""

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
from cellgate.contract.events import EventWriter
from cellgate.contract.specs import Device
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.hardware import set_up_hardware
from trainers.engine.metrics import auroc
from trainers.engine.task import Prediction, Rows
from trainers.engine.train_cell import CellInputs
from trainers.models.linear import base as base_module
from trainers.models.linear.base import LinearBase, linear_base, read_linear, saved_text_base, text_base
from trainers.models.linear.hashing import BUCKETS
from trainers.models.linear.model import LinearModel
from trainers.models.linear.over import TaskOverLinear
from trainers.models.linear.trainee import over_linear


def test_a_function_of_train_is_judged_by_a_model_that_has_not_seen_it(dataset: Dataset, tmp_path: Path) -> None:
    """Of things that say nothing about the label, a model only learns by heart."""

    def noise(rows: Rows) -> sparse.csr_matrix:
        bucket_N = np.concatenate([np.random.default_rng(int(row)).choice(200, 8, replace=False) for row in rows])
        cells = np.repeat(np.arange(len(rows)), 8), bucket_N
        return sparse.csr_matrix((np.ones(len(bucket_N), dtype=np.float32), cells), shape=(len(rows), BUCKETS))

    rows = dataset.rows(Split.TRAIN)
    by_heart = LinearModel.fit(noise(rows), dataset.labels(rows), strength=1.0)

    found = linear_base(dataset, noise, kind="noise", cache=tmp_path)

    assert found is not None
    unseen = auroc(dataset.labels(rows), found.log_odds_F[rows].astype(float))
    seen = auroc(dataset.labels(rows), by_heart.log_odds(noise(rows)))
    assert unseen is not None
    assert seen is not None
    assert seen > 0.8
    assert unseen < 0.65


def test_another_seed_finds_the_model_in_the_cache(dataset: Dataset, base: LinearBase, base_cache: Path) -> None:
    def count(_: Rows) -> sparse.csr_matrix:
        raise AssertionError("the functions are counted again")

    second = linear_base(dataset, count, kind="text", cache=base_cache)

    assert second is not None
    assert second.log_odds_F.tolist() == base.log_odds_F.tolist()


@pytest.mark.parametrize("name", ["linear.safetensors", "log_odds.npy"])
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
        return base_module.patterns_of_text(dataset.sources(rows)).counted()

    found = linear_base(dataset, count, kind="text", cache=tmp_path)

    assert found is not None
    assert len(found.log_odds_F) == len(dataset)
    assert max(counted) <= 100


def test_too_few_functions_of_a_class_have_no_linear_model(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_module, "MIN_GROUPS", len(dataset))

    assert text_base(dataset, cache=tmp_path) is None


def test_the_saved_model_judges_unseen_functions_as_in_training(
    dataset: Dataset, base: LinearBase, tmp_path: Path
) -> None:
    base.save(tmp_path / "model")

    saved = saved_text_base(tmp_path / "model", dataset)

    assert saved is not None
    unseen = dataset.rows(Split.GATE)
    assert saved.log_odds_F[unseen].tolist() == base.log_odds_F[unseen].tolist()
    assert read_linear(tmp_path) is None


class OneWeight:
    """A task whose network has one linear layer over the linear model's own log-odds, or over noise."""

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


def test_the_logits_are_the_networks_moved_by_the_linear_models_log_odds(dataset: Dataset, base: LinearBase) -> None:
    feature = np.linspace(-1, 1, len(dataset))
    rows = dataset.rows(Split.DEV)
    both = TaskOverLinear(OneWeight(feature, 0.5), base.log_odds_F)

    with torch.inference_mode():
        prediction = both.predict(both.load_batch(rows).to("cpu"))

    margin = (prediction.logits_BC[:, 1] - prediction.logits_BC[:, 0]).numpy()
    assert margin == pytest.approx(feature[rows] + base.log_odds_F[rows], abs=1e-5)
    assert prediction.embedding_BD[:, 0].numpy() == pytest.approx(feature[rows])


@pytest.mark.parametrize(("knows", "stays"), [(True, True), (False, False)])
def test_a_network_stays_only_where_it_ranks_dev_no_worse_than_the_linear_model_alone(
    knows: bool, stays: bool, dataset: Dataset, base: LinearBase, tmp_path: Path
) -> None:
    labels = dataset.labels(np.arange(len(dataset)))
    feature = (2.0 * labels - 1) * (3 if knows else -3)
    task = OneWeight(feature, 1.0)
    hardware = set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=0)
    inputs = CellInputs(dataset=dataset, hardware=hardware)
    saved: list[Path] = []

    with EventWriter(tmp_path / "events.jsonl") as events:
        context = RunContext(out=tmp_path, events=events, spec_hash="", started_at=0.0)
        trainee = over_linear(base, task, last_layer=task.last_layer, inputs=inputs, context=context, save=saved.append)
        warnings = trainee.review()
    trainee.save(tmp_path)

    assert bool(task.last_layer.weight.any()) is stays
    said = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    codes = [event["code"] for event in said if event["kind"] == "warning"]
    assert (codes, len(warnings)) == (([], 0) if stays else (["network_adds_nothing"], 1))
    assert saved == [tmp_path]
    assert read_linear(tmp_path) is not None


def test_without_a_linear_model_the_network_is_trained_alone(dataset: Dataset) -> None:
    task: Any = OneWeight(np.zeros(len(dataset)), 1.0)
    inputs: Any = None
    context: Any = None

    trainee = over_linear(None, task, last_layer=task.last_layer, inputs=inputs, context=context, save=Path.mkdir)

    assert trainee.task is task
    assert trainee.review() == ()
