"""Memory that runs out, in training or in evaluation: each backs off for itself, and no weight changes for it."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.configs import TrainingConfig
from cellgate.contract.errors import OutOfMemoryError
from cellgate.contract.results import LearningRateOutcome
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.inference import infer
from trainers.engine.loop import fit
from trainers.engine.optimization import Stepper
from trainers.engine.outcome import FitOutcome
from trainers.engine.planning import TrainingPlan

TRAIN, DEV = np.arange(120), np.arange(120, 160)
STEP = [np.arange(0, 16), np.arange(16, 21), np.arange(21, 32)]
ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"),
]


class Scarce:
    """A task whose memory runs out at chosen calls of a place in training, or beyond a size in evaluation.

    Args:
        place: `load`, `forward` or `backward`.
        calls: Which calls of it fail, from 0, while training.
        evaluation_limit: Functions that fit at once in evaluation.
    """

    def __init__(
        self,
        task: Any,
        *,
        error: BaseException = ERRORS[0],
        place: str = "",
        calls: tuple[int, ...] = (),
        evaluation_limit: int | None = None,
    ) -> None:
        self._task = task
        self._error, self._place, self._calls = error, place, calls
        self._limit = evaluation_limit
        self._seen = -1
        self.trained: list[int] = []
        self.refused: list[int] = []
        self.evaluated: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def load_batch(self, rows: Any) -> Any:
        if not self.model.training and self._limit is not None and len(rows) > self._limit:
            self.refused.append(len(rows))
            raise self._error
        if self.model.training:
            self._run_out("load")
        batch = self._task.load_batch(rows)
        (self.trained if self.model.training else self.evaluated).append(len(rows))
        return batch

    def predict(self, batch: Any) -> Any:
        prediction = self._task.predict(batch)
        if self.model.training:
            self._run_out("forward")
            if self._place == "backward":
                prediction.logits_BC.register_hook(lambda _gradient: self._run_out("backward"))
        return prediction

    def _run_out(self, place: str) -> None:
        if place == self._place:
            self._seen += 1
            if self._seen in self._calls:
                raise self._error


def _stepper(task: Any, hardware: Hardware) -> Stepper:
    return Stepper(task, labels=task.labels, config=TrainingConfig(batch_size=16), hardware=hardware, events=None)


def _after_steps(task: Any, hardware: Hardware) -> list[torch.Tensor]:
    stepper = _stepper(task, hardware)
    task.model.train()
    for _ in range(3):
        stepper.step(STEP, learning_rate=0.1)
    return [parameter.detach().clone() for parameter in task.model.parameters()]


@pytest.mark.parametrize("error", ERRORS, ids=["MemoryError", "cuda", "cpu"])
@pytest.mark.parametrize("place", ["load", "forward", "backward"])
@pytest.mark.parametrize("calls", [(0,), (2,), (4, 6, 9)])
def test_weights_after_memory_ran_out_anywhere_are_those_of_an_undisturbed_run(
    error: BaseException, place: str, calls: tuple[int, ...], toy: type[Any], hardware: Hardware
) -> None:
    disturbed = Scarce(toy(), error=error, place=place, calls=calls)
    expected = _after_steps(toy(), hardware)

    found = _after_steps(disturbed, hardware)

    assert disturbed._seen >= max(calls)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


def test_a_batch_in_parts_has_every_function_once(toy: type[Any], hardware: Hardware) -> None:
    task = Scarce(toy(), place="forward", calls=(0,))

    _after_steps(task, hardware)

    # The failed whole, then halves of 16, 5 and 11, three times.
    assert task.trained == [16, *[8, 8, 3, 2, 6, 5] * 3]


def test_another_error_is_no_lack_of_memory(toy: type[Any], hardware: Hardware) -> None:
    task = Scarce(toy(), error=RuntimeError("mat1 and mat2 shapes cannot be multiplied"), place="forward", calls=(0,))

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        _after_steps(task, hardware)


@pytest.fixture
def train(hardware: Hardware, rate: LearningRateOutcome) -> Callable[..., FitOutcome]:
    def train(task: Any, context: RunContext) -> FitOutcome:
        return fit(
            TrainingPlan(task=task, rows=TRAIN, labels=task.labels, config=TrainingConfig(epochs=2, batch_size=8)),
            dev_rows=DEV,
            learning_rate=rate,
            seed=0,
            context=context,
            hardware=hardware,
        )

    return train


def _weights(task: Any) -> list[torch.Tensor]:
    return list(task.model.parameters())


def test_evaluation_that_runs_out_never_changes_the_training_batch(
    toy: type[Any], train: Callable[..., FitOutcome], new_context: Callable[..., RunContext]
) -> None:
    whole, scarce = Scarce(toy()), Scarce(toy(), evaluation_limit=4)

    train(whole, new_context("whole"))
    train(scarce, new_context("scarce"))

    assert scarce.trained == whole.trained == [8] * 30
    assert all(torch.equal(one, two) for one, two in zip(_weights(whole), _weights(scarce), strict=True))


def test_training_that_runs_out_never_changes_the_evaluation_batch(
    toy: type[Any], train: Callable[..., FitOutcome], new_context: Callable[..., RunContext]
) -> None:
    whole, scarce = Scarce(toy()), Scarce(toy(), place="load", calls=(0,))

    train(whole, new_context("whole"))
    train(scarce, new_context("scarce"))

    assert scarce.trained == [4] * 60
    assert scarce.evaluated == whole.evaluated
    for one, two in zip(_weights(whole), _weights(scarce), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-5)


def test_evaluation_runs_out_once_and_not_with_each_batch(
    toy: type[Any], hardware: Hardware, new_context: Callable[..., RunContext]
) -> None:
    task, context = Scarce(toy(), evaluation_limit=7), new_context()
    task.model.eval()

    first = infer(task, DEV, hardware=hardware, context=context)
    second = infer(task, DEV, hardware=hardware, context=context)

    # Batches of 14, 13 and 13: one is refused, all are halved, in the second call too.
    assert task.refused == [14]
    assert max(task.evaluated) == 7
    np.testing.assert_array_equal(first.logits_RC, second.logits_RC)
    warnings = [json.loads(line) for line in (context.out / "events.jsonl").read_text().splitlines()]
    assert [(event["kind"], event["code"]) for event in warnings] == [("warning", "evaluation_backoff")]


def test_evaluation_of_single_functions_that_do_not_fit_has_run_out(
    toy: type[Any], hardware: Hardware, new_context: Callable[..., RunContext]
) -> None:
    with pytest.raises(OutOfMemoryError, match="single function"):
        infer(Scarce(toy(), evaluation_limit=0), DEV, hardware=hardware, context=new_context())


def test_a_resumed_run_evaluates_in_as_many_parts(
    toy: type[Any], train: Callable[..., FitOutcome], new_context: Callable[..., RunContext]
) -> None:
    context = new_context()
    train(Scarce(toy(), evaluation_limit=4), context)
    resumed = new_context(resume=context.out / "checkpoint", last=context.events.last)

    train(Scarce(toy(), evaluation_limit=4), resumed)

    assert resumed.evaluation.parts == context.evaluation.parts > 1
