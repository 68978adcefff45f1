"""Each kind of fusion over real trained bases: trains, is saved whole, stops and goes on, and never ranks dev worse."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cellgate.contract.cells import Cell
from cellgate.contract.configs import Split, TransformerModel
from cellgate.contract.errors import DataError, InterruptedRun
from cellgate.contract.events import EventWriter
from cellgate.contract.results import RunResult
from cellgate.contract.specs import FusionSpec
from tests.finished_runs import SPEC_HASH
from trainers.data.dataset import Dataset
from trainers.engine import lr_finder, train_cell
from trainers.engine.context import RunContext
from trainers.engine.loop import fit
from trainers.engine.metrics import auroc, margins
from trainers.engine.optimization import Stepper, StepReport
from trainers.engine.outcome import FitOutcome
from trainers.engine.planning import TrainingPlan
from trainers.engine.predictions import predictions_path, read_predictions
from trainers.engine.task import Rows
from trainers.evaluation.finished_runs import FinishedRun, WantedRun, open_runs
from trainers.models.fusion import train as fusion
from trainers.models.fusion.base_models import UnfrozenBase
from trainers.models.fusion.features import Features, read_features
from trainers.models.fusion.heads import build_head
from trainers.models.fusion.saving import SavedFusion, load_fusion
from trainers.models.fusion.task import FusionTask
from trainers.models.fusion.unfreezing import open_unfrozen
from trainers.models.gnn.train import GraphTask
from trainers.models.linear.base import graph_as_saved, text_as_saved
from trainers.models.transformer import train as transformer
from trainers.models.transformer.task import TransformerTask

KINDS: dict[str, dict[str, Any]] = {
    "gated": {},
    "cross_attention": {"head": "cross_attention"},
    "stacking": {"head": "stacking"},
    "modality_dropout": {"modality_dropout": 0.2},
    "unfreeze_transformer": {"unfreeze": "transformer"},
    "unfreeze_gnn": {"unfreeze": "gnn", "head": "stacking"},
    "unfreeze_both": {"unfreeze": "both", "modality_dropout": 0.1},
}
# Of every cell's runs, those that no linear model is mixed with.
BASES = {"transformer": "t0", "gnn": "g0"}
RATIOS = {"transformer_lr_ratio": 0.3, "gnn_lr_ratio": 0.7, "unfrozen_lr_ratio": 0.03}


@contextmanager
def context_in(out: Path, *, resume: Path | None = None) -> Iterator[RunContext]:
    with EventWriter(out / "events.jsonl") as events:
        yield RunContext(out=out, events=events, spec_hash=SPEC_HASH, started_at=time.time(), resume=resume)


def fuse(spec: FusionSpec, out: Path) -> RunResult:
    with context_in(out) as context:
        return fusion.run(spec, context)


@pytest.fixture(scope="module")
def spec_of(every_cell: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FusionSpec]:
    """Makes a spec of cell 53 from its model's fields."""
    cache = tmp_path_factory.mktemp("kinds") / "cache"

    def make(
        *, training: dict[str, Any] | None = None, gnn: Path = every_cell / BASES["gnn"], **model: Any
    ) -> FusionSpec:
        defaults = {"epochs": 3, "batch_size": 8, "learning_rate": {"value": 3e-3}}
        return FusionSpec.model_validate(
            {
                "dataset": every_cell / "dataset",
                "seed": 0,
                "device": "cpu",
                "transformer": every_cell / BASES["transformer"],
                "gnn": gnn,
                "lr_cache": cache,
                "model": {"width": 8, "slots": 2, **model},
                "training": {**defaults, **(training or {})},
            }
        )

    return make


@pytest.fixture(scope="module")
def bases(every_cell: Path) -> tuple[Dataset, FinishedRun, FinishedRun, Features]:
    """The data set, both runs, and their stored outputs."""
    dataset = Dataset.open(every_cell / "dataset")
    wanted = [
        WantedRun(where="/transformer", cell=Cell.TRANSFORMER, seed=0, path=every_cell / BASES["transformer"]),
        WantedRun(where="/gnn", cell=Cell.GNN, seed=0, path=every_cell / BASES["gnn"]),
    ]
    text, graph = open_runs(wanted, dataset=dataset)
    return dataset, text, graph, read_features(text, graph, dataset=dataset, text_weight=0.6)


def reloaded_task(out: Path, spec: FusionSpec, bases: tuple[Dataset, FinishedRun, FinishedRun, Features]) -> FusionTask:
    """What a run's model folder gives, put together anew: nothing of the run's memory."""
    dataset, text_run, graph_run, features = bases
    saved: SavedFusion = load_fusion(out / "model")
    live: dict[str, UnfrozenBase] = {}
    if "transformer" in saved.bases:
        name = TransformerModel(checkpoint=str(out / "model" / "transformer"), max_tokens=8192)
        text = transformer.prepare_text(name, dataset, cache=out)
        task = TransformerTask(
            saved.bases["transformer"],
            tokens=text.tokens,
            pad_token_id=text.tokenizer.pad_token_id,
            batch_size=16,
            max_tokens=text.max_tokens,
            pairs=None,
        )
        live["transformer"] = UnfrozenBase(
            task=text_as_saved(task, out / "model" / "transformer", dataset),
            temperature=text_run.temperature,
            start={},
            save=lambda _folder: None,
        )
    if "gnn" in saved.bases:
        graph: Any = saved.bases["gnn"]
        live["gnn"] = UnfrozenBase(
            task=graph_as_saved(GraphTask(graph, dataset, spec.training), out / "model" / "gnn", dataset),
            temperature=graph_run.temperature,
            start={},
            save=lambda _folder: None,
        )
    task_of_all = FusionTask(saved.head, features, spec, pairs=None, bases=live)
    task_of_all.model.eval()
    return task_of_all


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_ranks_dev_at_least_as_well_as_the_ensemble_and_is_saved_whole(
    kind: str,
    spec_of: Callable[..., FusionSpec],
    bases: tuple[Dataset, FinishedRun, FinishedRun, Features],
    tmp_path: Path,
) -> None:
    spec = spec_of(**KINDS[kind])
    dataset, _, _, features = bases

    result = fuse(spec, tmp_path)

    dev = dataset.rows(Split.DEV)
    ensemble = auroc(dataset.labels(dev), features.batch(dev).ensemble_log_odds_B.double().numpy())
    fused = auroc(dataset.labels(dev), margins(read_predictions(predictions_path(tmp_path, Split.DEV)).logits_RC))
    assert fused is not None
    assert ensemble is not None
    assert fused >= ensemble - 1e-4  # an unfrozen model that was undone computes its ties anew
    assert result.steps > 0
    task = reloaded_task(tmp_path, spec, bases)
    for split in (Split.DEV, Split.FUSE, Split.GATE, Split.TEST):
        rows = dataset.rows(split)
        with torch.inference_mode():
            logits_RC = task.predict(task.load_batch(rows)).logits_BC.numpy()
        np.testing.assert_allclose(
            logits_RC, read_predictions(predictions_path(tmp_path, split)).logits_RC, rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("unfreeze", ["transformer", "gnn", "both"])
def test_an_unfrozen_model_learns_and_the_run_that_it_came_from_stays_as_it_was(
    unfreeze: str, every_cell: Path, spec_of: Callable[..., FusionSpec], tmp_path: Path
) -> None:
    result = fuse(spec_of(unfreeze=unfreeze, unfrozen_lr_ratio=0.02), tmp_path)

    assert result.warnings == []
    for name in ("transformer", "gnn"):
        changed = tmp_path / "model" / name / "model.safetensors"
        assert changed.exists() == (unfreeze in (name, "both"))
        if changed.exists():
            now, before = load_file(changed), load_file(every_cell / BASES[name] / "model" / "model.safetensors")
            assert now.keys() == before.keys()
            assert any(not torch.equal(now[key], before[key]) for key in now)


def test_an_untrained_unfrozen_model_is_the_ensemble_in_training_too(
    spec_of: Callable[..., FusionSpec], bases: tuple[Dataset, FinishedRun, FinishedRun, Features], tmp_path: Path
) -> None:
    dataset, text, graph, features = bases
    spec = spec_of(unfreeze="both", dropout=0.5)
    live = open_unfrozen(spec, dataset, features, text=text, graph=graph, scratch=tmp_path)
    text_width, graph_width = features.widths
    head = build_head(spec.model, text_width=text_width, graph_width=graph_width)
    task = FusionTask(head, features, spec, pairs=None, bases=live)
    rows = dataset.rows(Split.FUSE)
    task.model.train()

    with torch.no_grad():
        logits_BC = task.predict(task.load_batch(rows)).logits_BC

    torch.testing.assert_close(logits_BC[:, 1], features.batch(rows).ensemble_log_odds_B, rtol=1e-4, atol=1e-4)


def test_a_stopped_unfrozen_run_goes_on_to_the_same_weights_bit_by_bit(
    spec_of: Callable[..., FusionSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(unfreeze="both", modality_dropout=0.2, head="cross_attention")
    fuse(spec, tmp_path / "whole")
    original = FusionTask.load_batch
    seen = 0

    def stopping(task: FusionTask, rows: Rows) -> Any:
        nonlocal seen
        seen += task.model.training
        if seen == 11:
            context.stop.set()
        return original(task, rows)

    with context_in(tmp_path / "parts") as context, monkeypatch.context() as patch:
        patch.setattr(FusionTask, "load_batch", stopping)
        with pytest.raises(InterruptedRun, match="checkpoint saved at step 11 of"):
            fusion.run(spec, context)
    with context_in(tmp_path / "parts", resume=tmp_path / "parts" / "checkpoint") as context:
        fusion.run(spec, context)

    for name in ("", "transformer", "gnn"):
        whole, parts = (tmp_path / out / "model" / name / "model.safetensors" for out in ("whole", "parts"))
        assert whole.read_bytes() == parts.read_bytes()
    for split in (Split.DEV, Split.GATE):
        whole_RC, parts_RC = (
            read_predictions(predictions_path(tmp_path / out, split)).logits_RC for out in ("whole", "parts")
        )
        assert np.array_equal(whole_RC, parts_RC)


def test_an_unfrozen_model_that_ranks_dev_worse_is_undone_with_its_bases(
    every_cell: Path,
    spec_of: Callable[..., FusionSpec],
    bases: tuple[Dataset, FinishedRun, FinishedRun, Features],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset, _, _, features = bases

    def fit_and_corrupt(plan: TrainingPlan, **settings: Any) -> FitOutcome:
        outcome = fit(plan, **settings)
        with torch.no_grad():
            for parameter in plan.task.model.parameters():
                parameter.add_(torch.randn_like(parameter))
        return outcome

    monkeypatch.setattr(train_cell, "fit", fit_and_corrupt)

    result = fuse(spec_of(unfreeze="both"), tmp_path)

    assert "undone" in result.warnings[0]
    rows = dataset.rows(Split.GATE)
    log_odds_R = margins(read_predictions(predictions_path(tmp_path, Split.GATE)).logits_RC)
    np.testing.assert_allclose(log_odds_R, features.batch(rows).ensemble_log_odds_B.numpy(), rtol=1e-4, atol=1e-4)
    for name, run in BASES.items():
        now, before = (
            load_file(out / "model.safetensors") for out in (tmp_path / "model" / name, every_cell / run / "model")
        )
        assert all(torch.equal(now[key], before[key]) for key in before)


@pytest.mark.parametrize("unfreeze", ["none", "both"])
def test_ratios_of_the_learning_rates_hold_through_finder_and_schedule(
    unfreeze: str, spec_of: Callable[..., FusionSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {"transformer": 0.3, "gnn": 0.7, "head": 1.0}
    if unfreeze == "both":
        ends = ("transformer_base", "transformer_base_no_decay", "gnn_base", "gnn_base_no_decay")
        expected |= dict.fromkeys(ends, 0.03)
    in_finder: list[tuple[float, list[float]]] = []

    class Recorder(Stepper):
        """Records the learning rates of the optimizer."""

        def step(self, batches: Any, *, learning_rate: float) -> StepReport:
            report = super().step(batches, learning_rate=learning_rate)
            in_finder.append((learning_rate, [entry["lr"] for entry in self.optimizer.param_groups]))
            return report

    monkeypatch.setattr(lr_finder, "Stepper", Recorder)
    finder = {"finder_steps": 12, "finder_min": 1e-4, "finder_max": 1e-2}
    spec = spec_of(unfreeze=unfreeze, **RATIOS, training={"epochs": 30, "patience": 1, "learning_rate": finder})

    fuse(spec.model_copy(update={"lr_cache": None}), tmp_path)

    assert len(in_finder) == 12
    for rate, reported in in_finder:
        assert reported == [rate * ratio for ratio in expected.values()]
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    steps = [event["values"] for event in events if "lr/head" in event.get("values", {})]
    assert len(steps) > 5
    for values in steps:
        rates = {key.removeprefix("lr/"): value for key, value in values.items() if key.startswith("lr/")}
        assert rates == {name: values["lr/head"] * ratio for name, ratio in expected.items()}


def test_norms_of_three_components_are_reported_and_an_unfrozen_model_counts_to_its_own(
    every_cell: Path, spec_of: Callable[..., FusionSpec], tmp_path: Path
) -> None:
    # A rate of next to nothing: the reported weights are those that were saved.
    fuse(spec_of(unfreeze="gnn", training={"epochs": 1, "learning_rate": {"value": 1e-9}}), tmp_path)

    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    values = next(event["values"] for event in events if "grad_norm/head" in event.get("values", {}))
    assert {key for key in values if key.startswith("weight_norm/")} == {
        f"weight_norm/{name}" for name in ("transformer", "gnn", "head")
    }
    head = load_file(tmp_path / "model" / "model.safetensors")
    base = load_file(every_cell / BASES["gnn"] / "model" / "model.safetensors")
    squares = sum(float(tensor.double().square().sum()) for tensor in base.values())
    squares += sum(float(t.double().square().sum()) for name, t in head.items() if name.startswith("graph."))
    assert values["weight_norm/gnn"] == pytest.approx(squares**0.5, rel=1e-5)
    assert values["grad_norm/gnn"] > 0
    # Frozen, and the correction before it is still zero.
    assert values["grad_norm/transformer"] == 0


def test_a_model_that_did_not_make_its_run_s_predictions_is_not_unfrozen(
    every_cell: Path, spec_of: Callable[..., FusionSpec], tmp_path: Path
) -> None:
    other = tmp_path / "gnn"
    shutil.copytree(every_cell / BASES["gnn"], other)
    path = other / "model" / "model.safetensors"
    save_file({name: tensor * 2 for name, tensor in load_file(path).items()}, path)

    with pytest.raises(DataError, match=r"/gnn: found log-odds that differ by .* on average"):
        fuse(spec_of(unfreeze="gnn", gnn=other), tmp_path / "out")
