"""A range test that was stopped and goes on in another attempt is the range test that was not stopped."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.configs import LearningRate, TrainingConfig
from cellgate.contract.errors import InterruptedRun
from cellgate.contract.results import LearningRateOutcome
from trainers.engine import lr_points
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware, seed_everything
from trainers.engine.loop import fit
from trainers.engine.lr_choice import settle
from trainers.engine.lr_finder import Suggestion, find_learning_rate
from trainers.engine.planning import TrainingPlan
from trainers.engine.run_folder import POINTS_NAME

STEPS = 40
CONFIG = TrainingConfig(
    epochs=2, accumulation=1, learning_rate=LearningRate(finder_min=1e-4, finder_max=1e-1, finder_steps=STEPS)
)
ROWS = np.arange(120)
NewContext = Callable[..., RunContext]
Find = Callable[..., Suggestion]


def plan(task: Any) -> TrainingPlan:
    return TrainingPlan(task=task, rows=ROWS, labels=task.labels, config=CONFIG)


@pytest.fixture
def find(hardware: Hardware) -> Find:
    def find(task: Any, context: RunContext, *, fingerprint: str = "ours") -> Suggestion:
        return find_learning_rate(plan(task), context=context, hardware=hardware, fingerprint=fingerprint)

    return find


def stop_at_batch(task: Any, context: RunContext, number: int) -> None:
    """Request a stop while the task loads its n-th batch."""
    load = task.load_batch

    def counted(rows: np.ndarray) -> Any:
        if len(task.seen) + 1 == number:
            context.stop.set()
        return load(rows)

    task.load_batch = counted


def stopped(toy: type[Any], find: Find, context: RunContext, *, at: int) -> Path:
    """Stop a test in its n-th step and return its checkpoint folder."""
    seed_everything(3)
    task = toy(dropout=0.3)
    stop_at_batch(task, context, at)
    with pytest.raises(InterruptedRun, match=f"{at} of {STEPS} steps are kept"):
        find(task, context)
    return context.out / "checkpoint"


def events(context: RunContext, kind: str) -> list[dict[str, Any]]:
    lines = (context.out / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


@pytest.mark.parametrize("at", [1, 7, 23, STEPS])
def test_a_test_stopped_at_any_step_goes_on_and_gives_the_rate_and_leaves_the_state_of_one_that_was_not(
    toy: type[Any], find: Find, new_context: NewContext, at: int
) -> None:
    seed_everything(3)
    whole = toy(dropout=0.3)
    expected = find(whole, new_context("whole"))
    after = torch.get_rng_state()
    folder = stopped(toy, find, new_context("stopped"), at=at)

    seed_everything(3)
    resumed = toy(dropout=0.3)
    suggestion = find(resumed, new_context("resumed", resume=folder))

    assert expected.learning_rate is not None
    assert suggestion == expected
    assert len(resumed.seen) == len(whole.seen) - at
    assert torch.equal(torch.get_rng_state(), after)
    pairs = zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_test_that_is_stopped_twice_goes_on_from_the_second_stop(
    toy: type[Any], find: Find, new_context: NewContext
) -> None:
    seed_everything(3)
    expected = find(toy(dropout=0.3), new_context("whole"))
    first = stopped(toy, find, new_context("first"), at=5)
    seed_everything(3)
    second, context = toy(dropout=0.3), new_context("second", resume=first)
    stop_at_batch(second, context, 6)
    with pytest.raises(InterruptedRun, match=f"11 of {STEPS} steps are kept"):
        find(second, context)

    seed_everything(3)
    third = toy(dropout=0.3)
    suggestion = find(third, new_context("third", resume=context.out / "checkpoint"))

    assert suggestion == expected
    assert len(third.seen) == STEPS - 11


class Killed(BaseException):
    """What ends a process that gets no time for anything."""


@pytest.mark.parametrize("at", [2, 23])
def test_a_test_that_is_killed_goes_on_from_the_points_it_had_kept_by_then(
    toy: type[Any], find: Find, new_context: NewContext, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    seed_everything(3)
    expected = find(toy(dropout=0.3), new_context("whole"))
    monkeypatch.setattr(lr_points, "KEEP_EVERY_S", 0.0)
    monkeypatch.setattr(lr_points, "KEEP_SHARE", math.inf)
    seed_everything(3)
    killed, context = toy(dropout=0.3), new_context("killed")
    load = killed.load_batch

    def load_or_die(rows: np.ndarray) -> Any:
        if len(killed.seen) + 1 == at:
            raise Killed
        return load(rows)

    killed.load_batch = load_or_die
    with pytest.raises(Killed):
        find(killed, context)

    seed_everything(3)
    resumed = toy(dropout=0.3)
    suggestion = find(resumed, new_context("resumed", resume=context.out / "checkpoint"))

    assert suggestion == expected
    assert len(resumed.seen) == STEPS - (at - 1)
    # Told once: it is always the same folder.
    assert [event["step"] for event in events(context, "checkpoint")] == [0]


def test_keeping_points_that_takes_long_is_done_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(lr_points.time, "monotonic", lambda: now[0])
    timer = lr_points.KeepTimer()
    now[0] += lr_points.KEEP_EVERY_S
    assert timer.is_due()

    now[0] += 30.0
    timer.kept(began=now[0] - 30.0)
    now[0] += 599.0
    assert not timer.is_due()
    now[0] += 1.0
    assert timer.is_due()


def test_a_stop_names_the_folder_to_go_on_from_as_any_checkpoint(
    toy: type[Any], find: Find, new_context: NewContext
) -> None:
    context = new_context("stopped")

    folder = stopped(toy, find, context, at=7)

    assert [event["path"] for event in events(context, "checkpoint")] == ["checkpoint"]
    assert [path.name for path in folder.iterdir()] == [POINTS_NAME]


def test_the_test_tells_its_steps_from_the_first_to_the_last(
    toy: type[Any], find: Find, new_context: NewContext
) -> None:
    context = new_context("whole")

    find(toy(), context)

    told = events(context, "progress")
    assert told[0]["total"] == STEPS
    assert (told[0]["done"], told[0]["eta_s"]) == (0, None)
    assert (told[-1]["done"], told[-1]["eta_s"]) == (STEPS, 0.0)


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_points_that_are_damaged_or_of_other_settings_are_left_alone_with_a_warning(
    toy: type[Any], find: Find, new_context: NewContext, damage: bytes | None
) -> None:
    folder = stopped(toy, find, new_context("stopped"), at=7)
    if damage is not None:
        (folder / POINTS_NAME).write_bytes(damage)
    seed_everything(3)
    task, context = toy(dropout=0.3), new_context("resumed", resume=folder)

    find(task, context, fingerprint="ours" if damage is not None else "another's")

    assert len(task.seen) == STEPS
    assert [event["code"] for event in events(context, "warning")] == ["lr_finder_restarted"]


def test_training_after_a_stopped_test_ends_with_the_bytes_of_a_run_that_was_not_stopped(
    toy: type[Any], find: Find, new_context: NewContext, hardware: Hardware
) -> None:
    def train(task: Any, context: RunContext, suggestion: Suggestion) -> LearningRateOutcome:
        rate = settle(suggestion, CONFIG.learning_rate)
        fit(plan(task), dev_rows=np.arange(120, 160), learning_rate=rate, seed=3, context=context, hardware=hardware)
        return rate

    seed_everything(3)
    whole, whole_context = toy(dropout=0.3), new_context("whole")
    expected = train(whole, whole_context, find(whole, whole_context))
    folder = stopped(toy, find, new_context("stopped"), at=9)

    seed_everything(3)
    resumed, context = toy(dropout=0.3), new_context("resumed", resume=folder)
    rate = train(resumed, context, find(resumed, context))

    assert rate == expected
    saved = [next((one.out / "checkpoint").glob("step-*/model.safetensors")) for one in (whole_context, context)]
    assert saved[0].read_bytes() == saved[1].read_bytes()
