"""Optimizer steps in half precision: a real gradient scaler's arithmetic against the whole batch in float64."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor, nn

from cellgate.contract.configs import Precision, TrainingConfig
from cellgate.contract.errors import DivergenceError
from cellgate.contract.results import LearningRateOutcome
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.loop import fit
from trainers.engine.optimization import Stepper
from trainers.engine.outcome import FitOutcome
from trainers.engine.planning import TrainingPlan
from trainers.engine.task import ParameterGroup, Prediction, Rows

ROWS = np.arange(40)
SCALE = 2.0**16
# Share of the gradient that rounding to the precision's numbers may change.
ROUNDING = {Precision.FP32: 1e-5, Precision.BF16: 5e-2, Precision.FP16: 5e-3}
MakeHardware = Callable[..., Hardware]


class HalfPrecision:
    """A task whose model computes in float16, as under a GPU's autocast."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def predict(self, batch: Tensor) -> Prediction:
        with torch.autocast("cpu", dtype=torch.float16):
            prediction: Prediction = self._task.predict(batch)
        return prediction


@pytest.fixture
def make_hardware() -> Iterator[MakeHardware]:
    """Accelerate has no scaler on a CPU; torch has one, and its arithmetic is the same."""

    def make(precision: Precision, *, scale: float | None = None) -> Hardware:
        AcceleratorState._reset_state(reset_partial_state=True)
        accelerator = Accelerator(cpu=True, mixed_precision="bf16" if precision is Precision.BF16 else "no")
        if scale is not None:
            accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        return Hardware(accelerator=accelerator, precision=precision, threads=1)

    yield make
    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._reset_state()


def _batches(count: int) -> list[Rows]:
    """Uneven on purpose: a mean of means would be wrong."""
    cuts = np.sort(np.random.default_rng(count).choice(np.arange(1, len(ROWS)), size=count - 1, replace=False))
    return np.split(ROWS, cuts)


def _reference(task: Any, rows: Rows = ROWS) -> list[Tensor]:
    """The gradients of the mean loss over all rows at once, float64."""
    model = copy.deepcopy(task.model).double()
    loss = F.cross_entropy(model(task.inputs[rows].double()), torch.from_numpy(task.labels[rows]))
    return list(torch.autograd.grad(loss, list(model.parameters())))


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.stack([tensor.double().norm() for tensor in tensors]).norm())


def _error(found: list[Tensor], expected: list[Tensor]) -> float:
    return _norm([one - two for one, two in zip(found, expected, strict=True)]) / _norm(expected)


def _stepper(task: Any, hardware: Hardware, **config: Any) -> tuple[Stepper, list[list[Tensor]]]:
    """A stepper, and the gradients that its optimizer was given, step by step."""
    stepper = Stepper(task, labels=task.labels, config=TrainingConfig(**config), hardware=hardware, events=None)
    given: list[list[Tensor]] = []
    stepper.optimizer.optimizer.register_step_pre_hook(
        lambda *_: given.append([parameter.grad.clone() for parameter in task.model.parameters()])
    )
    return stepper, given


def _task(toy: type[Any], precision: Precision) -> Any:
    return HalfPrecision(toy()) if precision is Precision.FP16 else toy()


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize(
    ("precision", "scale"),
    [(Precision.FP32, None), (Precision.FP32, SCALE), (Precision.BF16, None), (Precision.FP16, SCALE)],
)
def test_the_optimizer_is_given_the_whole_batchs_gradient_clipped_once(
    toy: type[Any], make_hardware: MakeHardware, precision: Precision, scale: float | None, count: int
) -> None:
    task = _task(toy, precision)
    expected = _reference(task)
    largest = _norm(expected) / 3
    stepper, given = _stepper(task, make_hardware(precision, scale=scale), max_grad_norm=largest, accumulation=count)

    report = stepper.step(_batches(count), learning_rate=0.01)

    assert report.norms.total == pytest.approx(_norm(expected), rel=ROUNDING[precision])
    assert len(given) == 1
    assert _norm(given[0]) <= largest * (1 + 1e-3)
    assert _error(given[0], [gradient / 3 for gradient in expected]) < ROUNDING[precision]


@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_gradient_below_the_limit_reaches_the_optimizer_as_it_is(
    toy: type[Any], make_hardware: MakeHardware, count: int
) -> None:
    task = HalfPrecision(toy())
    expected = _reference(task)
    # A hundredth of what the scaled gradient has.
    limit = _norm(expected) * SCALE / 100
    stepper, given = _stepper(task, make_hardware(Precision.FP16, scale=SCALE), max_grad_norm=limit)

    stepper.step(_batches(count), learning_rate=0.01)

    assert _error(given[0], expected) < ROUNDING[Precision.FP16]


@pytest.mark.parametrize("count", [1, 3])
def test_components_norms_are_of_unscaled_gradients(toy: type[Any], make_hardware: MakeHardware, count: int) -> None:
    task = toy()
    body, head = _reference(task)[:2], _reference(task)[2:]
    stepper, _ = _stepper(task, make_hardware(Precision.FP32, scale=SCALE))

    report = stepper.step(_batches(count), learning_rate=0.01)

    assert report.norms.components == pytest.approx({"body": _norm(body), "head": _norm(head)}, rel=1e-5)


def _linear_task(toy: type[Any], *, bad: Rows) -> Any:
    """A task whose gradient overflows float16 at a scale of 2**16 in the rows `bad`, and nowhere at 2**15.

    The weights are 0, so that the gradient is linear in the inputs.
    """
    task = toy()
    task.model = nn.Linear(4, 2)
    nn.init.zeros_(task.model.weight)
    nn.init.zeros_(task.model.bias)
    share = len(bad) / len(ROWS)
    largest = float(_reference(task, bad)[0].abs().max()) * share
    task.inputs[bad] *= 1.5 / largest
    return HalfPrecision(_OneGroup(task))


class _OneGroup:
    """A toy task around a model without parts."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    @property
    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup(name="all", parameters=list(self._task.model.parameters()))]

    @property
    def components(self) -> dict[str, list[nn.Parameter]]:
        return {"all": list(self._task.model.parameters())}


@pytest.mark.parametrize("count", [1, 4, 8])
def test_after_an_overflow_nothing_has_changed_but_the_scale_and_the_next_step_is_right(
    toy: type[Any], make_hardware: MakeHardware, count: int
) -> None:
    batches = _batches(count)
    task = _linear_task(toy, bad=batches[count // 2])
    hardware = make_hardware(Precision.FP16, scale=SCALE)
    expected = _reference(task)
    before = [parameter.clone() for parameter in task.model.parameters()]
    stepper, given = _stepper(task, hardware, max_grad_norm=_norm(expected) / 3)

    first = stepper.step(batches, learning_rate=0.01)
    unchanged = all(torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))
    moments = len(stepper.optimizer.state)
    second = stepper.step(batches, learning_rate=0.01)

    assert (first.skipped, first.scale, unchanged, moments) == (True, SCALE / 2, True, 0)
    assert (second.skipped, second.scale, hardware.accelerator.scaler.get_scale()) == (False, None, SCALE / 2)
    assert len(given) == 1
    assert _error(given[0], [gradient / 3 for gradient in expected]) < ROUNDING[Precision.FP16]
    assert not any(torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))


Fit = Callable[..., tuple[FitOutcome, list[dict[str, Any]]]]


@pytest.fixture
def train(make_hardware: MakeHardware, new_context: Callable[..., RunContext], rate: LearningRateOutcome) -> Fit:
    def train(task: Any, *, scale: float, **config: Any) -> tuple[FitOutcome, list[dict[str, Any]]]:
        context = new_context()
        outcome = fit(
            TrainingPlan(
                task=HalfPrecision(task), rows=np.arange(80), labels=task.labels, config=TrainingConfig(**config)
            ),
            dev_rows=np.arange(80, 160),
            learning_rate=rate,
            seed=0,
            context=context,
            hardware=make_hardware(Precision.FP16, scale=scale),
        )
        return outcome, [json.loads(line) for line in (context.out / "events.jsonl").read_text().splitlines()]

    return train


def test_skipped_steps_are_counted_and_reported_and_do_not_use_up_the_warm_up(toy: type[Any], train: Fit) -> None:
    outcome, events = train(toy(), scale=2.0**22, epochs=2, warmup_fraction=0.25)

    reported = [event["message"] for event in events if event.get("code") == "skipped_step"]
    skipped = [int(message.removeprefix("step ").partition(":")[0]) for message in reported]
    assert outcome.skipped_steps == len(reported) >= 2
    assert (skipped[0], f"{2.0**21:g}" in reported[0]) == (1, True)
    rates = {event["step"]: event["values"]["lr/head"] for event in events if "lr/head" in event.get("values", {})}
    # Of 20 steps, the first 5 updates rise to 0.01; all steps after the fifth fall to 0 together.
    updates = {step: sum(before not in skipped for before in range(1, step)) for step in rates}
    expected = {step: 0.01 * min(1, (updates[step] + 1) / 5, (21 - step) / 15) for step in range(1, 21)}
    assert rates == pytest.approx(expected)


def test_gradients_that_overflow_at_any_scale_are_a_divergence(toy: type[Any], train: Fit) -> None:
    task = toy()
    # The logits are small; the gradient of the first layer is beyond float16 all the same.
    task.inputs *= 1e4
    nn.init.zeros_(task.model[0].weight)
    nn.init.zeros_(task.model[0].bias)
    task.model[3].weight.data *= 1e4

    with pytest.raises(DivergenceError, match=r"already scaled by 0\.5: lower the learning rate .* or fp32"):
        train(task, scale=64.0, epochs=3)
