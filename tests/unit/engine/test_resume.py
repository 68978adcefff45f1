"""Checkpoints: a run that was stopped or killed and resumed is the run that was not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.configs import TrainingConfig
from cellgate.contract.errors import InterruptedRun, SpecError
from cellgate.contract.results import LearningRateOutcome
from trainers.engine import checkpoint as checkpoint_module
from trainers.engine.checkpoint import load_checkpoint
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware, seed_everything
from trainers.engine.loop import fit
from trainers.engine.outcome import FitOutcome
from trainers.engine.planning import TrainingPlan
from trainers.engine.run_folder import current_checkpoint, last_event

CONFIG = TrainingConfig(epochs=3, accumulation=2, checkpoint_every_steps=3, patience=3)
TRAIN, DEV = np.arange(120), np.arange(120, 160)
Train = Callable[..., FitOutcome]


class KilledError(Exception):
    """Stands for kill -9: nothing after it runs."""


@pytest.fixture
def train(hardware: Hardware, rate: LearningRateOutcome) -> Train:
    def train(task: Any, context: RunContext, *, seed: int = 0, config: TrainingConfig = CONFIG) -> FitOutcome:
        seed_everything(seed)
        return fit(
            TrainingPlan(task=task, rows=TRAIN, labels=task.labels, config=config),
            dev_rows=DEV,
            learning_rate=rate,
            seed=seed,
            context=context,
            hardware=hardware,
        )

    return train


def _at_batch(task: Any, number: int, action: Callable[[], None]) -> None:
    """Do something when the task loads its n-th batch."""
    load = task.load_batch

    def counted(rows: np.ndarray) -> Any:
        if len(task.seen) + 1 == number:
            action()
        return load(rows)

    task.load_batch = counted


def _at_evaluation(task: Any, number: int, action: Callable[[], None]) -> None:
    """Do something when the task plans its n-th evaluation."""
    plan = task.plan_evaluation
    calls = iter(range(1, 1_000))

    def counted(rows: np.ndarray) -> Any:
        if next(calls) == number:
            action()
        return plan(rows)

    task.plan_evaluation = counted


def _evaluations(context: RunContext) -> list[dict[str, Any]]:
    """Return the scores of the dev split, by step."""
    lines = (context.out / "events.jsonl").read_text().splitlines()
    recorded = [json.loads(line) for line in lines]
    return [
        {"step": event["step"], **event["values"]}
        for event in recorded
        if event["kind"] == "metric" and "dev/f1" in event["values"]
    ]


def _die() -> None:
    raise KilledError


def _equal(one: Any, two: Any) -> bool:
    pairs = zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("batch", [7, 8, 17, 20, 30, 45])
def test_killed_at_any_step_and_resumed_gives_identical_weights(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext], batch: int
) -> None:
    whole = toy(dropout=0.3)
    expected = train(whole, new_context("whole"))
    killed = toy(dropout=0.3)
    _at_batch(killed, batch, _die)
    context = new_context("killed")
    with pytest.raises(KilledError):
        train(killed, context)
    resumed = toy(dropout=0.3, seed=99)
    outcome = train(resumed, new_context("resumed", resume=context.out / "checkpoint"))

    assert outcome == expected
    assert _equal(whole, resumed)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_killed_between_an_epochs_last_step_and_its_evaluation_it_still_evaluates_that_epoch(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext], epoch: int
) -> None:
    config = CONFIG.model_copy(update={"checkpoint_every_steps": 8})
    whole = toy()
    whole_context = new_context("whole")
    expected = train(whole, whole_context, config=config)
    killed = toy()
    _at_evaluation(killed, epoch, _die)
    context = new_context("killed")
    with pytest.raises(KilledError):
        train(killed, context, config=config)
    assert load_checkpoint(context.out / "checkpoint", fingerprint=_fingerprint(context)).state.step == 8 * epoch
    resumed = toy(seed=99)
    resumed_context = new_context("resumed", resume=context.out / "checkpoint")
    outcome = train(resumed, resumed_context, config=config)

    assert outcome == expected
    assert _equal(whole, resumed)
    assert _evaluations(context) + _evaluations(resumed_context) == _evaluations(whole_context)


def test_on_a_request_to_stop_it_saves_a_checkpoint_and_goes_on_exactly(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    whole, stopped, resumed = toy(dropout=0.3), toy(dropout=0.3), toy(dropout=0.3)
    train(whole, new_context("whole"))
    context = new_context("stopped")
    _at_batch(stopped, 9, context.stop.set)

    with pytest.raises(InterruptedRun, match="step 5 of 24"):
        train(stopped, context)
    train(resumed, new_context("resumed", resume=context.out / "checkpoint"))

    assert _equal(whole, resumed)


def test_on_a_request_to_stop_while_evaluating_it_keeps_the_epochs_steps(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    whole, stopped, resumed = toy(), toy(), toy()
    expected = train(whole, new_context("whole"))
    context = new_context("stopped")
    # 15 batches an epoch; the 16th and 17th are of the evaluation.
    _at_batch(stopped, 16, context.stop.set)

    with pytest.raises(InterruptedRun, match="step 8 of 24"):
        train(stopped, context)
    outcome = train(resumed, new_context("resumed", resume=context.out / "checkpoint"))

    assert outcome == expected
    assert _equal(whole, resumed)


def test_a_finished_run_that_is_resumed_trains_no_step(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    whole, again = toy(), toy(seed=5)
    context = new_context("whole")
    expected = train(whole, context)

    outcome = train(again, new_context("again", resume=context.out / "checkpoint"))

    assert outcome == expected
    assert again.seen == []
    assert _equal(whole, again)


def test_events_go_on_counting_from_the_checkpoint(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    stopped, context = toy(), new_context("stopped")
    _at_batch(stopped, 9, context.stop.set)
    with pytest.raises(InterruptedRun):
        train(stopped, context)
    checkpoint = context.out / "checkpoint"
    last = last_event(checkpoint)

    going_on = new_context("stopped", resume=checkpoint, last=last)
    train(toy(), going_on)

    numbers = [json.loads(line)["n"] for line in (going_on.out / "events.jsonl").read_text().splitlines()]
    assert 0 < last < len(numbers)
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_kill_while_the_checkpoint_is_written_leaves_the_old_one(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = new_context("killed")
    write_json = checkpoint_module.write_json
    written: list[str] = []

    def die_at_third(path: Path, value: object) -> None:
        written.append(path.name)
        if written.count("current.json") == 3:
            raise KilledError
        write_json(path, value)

    monkeypatch.setattr(checkpoint_module, "write_json", die_at_third)
    with pytest.raises(KilledError):
        train(toy(), context)
    monkeypatch.undo()

    current = current_checkpoint(context.out / "checkpoint")

    assert current is not None
    assert current.name.startswith("step-000000006")
    whole, resumed = toy(), toy()
    train(whole, new_context("whole"))
    train(resumed, new_context("resumed", resume=context.out / "checkpoint"))
    assert _equal(whole, resumed)


def test_only_the_current_checkpoint_is_kept(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    context = new_context()

    train(toy(), context)

    assert len(list((context.out / "checkpoint").glob("step-*"))) == 1


def test_a_checkpoint_of_another_seed_is_refused(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    context = new_context("one")
    train(toy(), context, seed=1)

    with pytest.raises(SpecError, match="belongs to another run"):
        train(toy(), new_context("two", resume=context.out / "checkpoint"), seed=2)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("into", ["the same folder", "another folder"])
def test_a_damaged_checkpoint_is_reported_and_training_begins_from_the_start(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext], name: str, into: str
) -> None:
    whole, again = toy(dropout=0.3), toy(dropout=0.3)
    context = new_context("one")
    expected = train(whole, context)
    [folder] = (context.out / "checkpoint").glob("step-*")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])

    new = new_context("one" if into == "the same folder" else "two", resume=context.out / "checkpoint")
    outcome = train(again, new)

    assert outcome == expected
    assert _equal(whole, again)
    warnings = [
        e for e in map(json.loads, (new.out / "events.jsonl").read_text().splitlines()) if e["kind"] == "warning"
    ]
    assert [warning["code"] for warning in warnings] == ["checkpoint_damaged"]
    assert folder.name in warnings[0]["message"]
    # What it leaves is whole again.
    assert load_checkpoint(new.out / "checkpoint", fingerprint=_fingerprint(new)).state.step == expected.steps


def _fingerprint(context: RunContext) -> str:
    [state] = (context.out / "checkpoint").glob("step-*/state.json")
    return str(json.loads(state.read_bytes())["fingerprint"])


def test_a_folder_without_a_whole_checkpoint_starts_from_the_beginning(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext], tmp_path: Path
) -> None:
    whole, other = toy(), toy()
    expected = train(whole, new_context("whole"))
    (tmp_path / "empty").mkdir()

    outcome = train(other, new_context("other", resume=tmp_path / "empty"))

    assert outcome == expected


def test_a_checkpoint_left_by_an_earlier_run_is_not_mistaken_for_this_ones(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    first = new_context("same")
    train(toy(), first, seed=1)
    stale = current_checkpoint(first.out / "checkpoint")
    assert stale is not None
    kept = first.out.parent / "kept"
    shutil.copytree(stale, kept)

    train(toy(), new_context("same"), seed=2)

    fresh = current_checkpoint(first.out / "checkpoint")
    assert fresh is not None
    assert (fresh / "state.json").read_bytes() != (kept / "state.json").read_bytes()
