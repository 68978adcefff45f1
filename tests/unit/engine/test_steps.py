"""One optimizer step: accumulation, clipping and running out of memory."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cellgate.contract.configs import TrainingConfig
from cellgate.contract.errors import OutOfMemoryError
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.optimization import Stepper, learning_rate_factor

ROWS = np.arange(32)


def _gradient_norm(task: Any, component: Any = None) -> float:
    """By hand: of the mean loss over all rows at once."""
    loss = F.cross_entropy(task.model(task.inputs[ROWS]), torch.from_numpy(task.labels[ROWS]))
    parameters = list(task.model.parameters()) if component is None else component
    return float(torch.stack([g.norm() for g in torch.autograd.grad(loss, parameters)]).norm())


def _stepper(task: Any, hardware: Hardware, context: RunContext | None = None, **config: Any) -> Stepper:
    return Stepper(
        task,
        labels=task.labels,
        config=TrainingConfig(**config),
        hardware=hardware,
        events=None if context is None else context.events,
    )


def test_the_norm_is_that_of_the_whole_step_whatever_the_accumulation(toy: type[Any], hardware: Hardware) -> None:
    task = toy()
    expected = _gradient_norm(task)
    # Uneven on purpose: a mean of means would be wrong.
    batches = [ROWS[:3], ROWS[3:20], ROWS[20:]]

    report = _stepper(task, hardware).step(batches, learning_rate=0.0)

    assert report.norms.total == pytest.approx(expected, rel=1e-5)


def test_each_component_has_its_own_norm(toy: type[Any], hardware: Hardware) -> None:
    task = toy()
    expected = {name: _gradient_norm(task, parameters) for name, parameters in task.components.items()}

    report = _stepper(task, hardware).step([ROWS], learning_rate=0.0)

    assert report.norms.components == pytest.approx(expected, rel=1e-5)


def test_gradients_are_clipped_to_the_norm_once_per_step(
    toy: type[Any], hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = toy()
    before = _gradient_norm(task)
    stepper = _stepper(task, hardware, max_grad_norm=before / 10)
    clipped: list[float] = []
    monkeypatch.setattr(
        stepper.optimizer.optimizer,
        "step",
        lambda _closure=None: clipped.append(
            float(torch.stack([p.grad.norm() for p in task.model.parameters()]).norm())
        ),
    )

    stepper.step([ROWS[:16], ROWS[16:]], learning_rate=0.1)

    assert clipped == [pytest.approx(before / 10, rel=1e-4)]


def test_small_gradients_are_not_scaled_up(toy: type[Any], hardware: Hardware) -> None:
    task, other = toy(), toy()

    _stepper(task, hardware, max_grad_norm=1e6).step([ROWS], learning_rate=0.1)
    _stepper(other, hardware, max_grad_norm=2e6).step([ROWS], learning_rate=0.1)

    for one, two in zip(task.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_gradient_that_is_not_finite_changes_no_weight(toy: type[Any], hardware: Hardware) -> None:
    task = toy()
    task.inputs[0] = float("inf")
    before = [parameter.clone() for parameter in task.model.parameters()]

    _stepper(task, hardware).step([ROWS], learning_rate=0.1)

    assert all(torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))


def test_after_memory_ran_out_the_effective_batch_is_the_same(
    toy: type[Any], hardware: Hardware, new_context: Callable[..., RunContext]
) -> None:
    whole, small, context = toy(), toy(), new_context()
    small.refuse_above = 8

    _stepper(whole, hardware).step([ROWS], learning_rate=0.1)
    _stepper(small, hardware, context, batch_size=32).step([ROWS], learning_rate=0.1)

    assert small.seen == [8, 8, 8, 8]
    for one, two in zip(whole.model.parameters(), small.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    recorded = [json.loads(line) for line in (context.out / "events.jsonl").read_text().splitlines()]
    assert [(e["kind"], e["batch_size"], e["accumulation"]) for e in recorded] == [
        ("backoff", 16, 2),
        ("backoff", 8, 4),
    ]


def test_when_nothing_fits_memory_has_run_out(toy: type[Any], hardware: Hardware) -> None:
    task = toy()
    task.refuse_above = 0

    with pytest.raises(OutOfMemoryError, match="computed in 32 parts"):
        _stepper(task, hardware).step([ROWS], learning_rate=0.1)


def test_the_rate_rises_linearly_then_falls_linearly_to_zero() -> None:
    factors = [learning_rate_factor(step, total=10, warmup_fraction=0.2) for step in range(11)]

    assert factors == pytest.approx([0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0.0])
