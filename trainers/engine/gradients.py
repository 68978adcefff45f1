"""Gradient and weight norms of each component, and its health: dead, vanishing, exploding or healthy."""

# Shapes: P parameters that have a gradient.
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Self

import torch
from torch import Tensor, nn

from cellgate.contract.results import Collapse, CollapseType


@dataclass(frozen=True, kw_only=True)
class Norms:
    """L2 norms, as plain numbers."""

    total: float
    components: dict[str, float]


def clip_gradients(parameters: Sequence[nn.Parameter], total: Tensor, max_norm: float) -> None:
    """Scale all gradients so that their total norm is at most `max_norm`.

    Args:
        total: Their norm, a scalar on their device; the scaling then needs no transfer.

    Source:
        Pascanu et al. 2013, arXiv 1211.5063, algorithm 1.
    """
    torch.nn.utils.clip_grads_with_norm_(list(parameters), max_norm, total)


def norms_of(tensors: Sequence[Tensor]) -> Tensor:
    """Return the L2 norm of each tensor, (P,), float32, on their device."""
    # In float32 at least: squares of half precision overflow at 256.
    return torch.stack([torch.linalg.vector_norm(tensor, dtype=torch.float32) for tensor in tensors])


def weight_norms(components: Mapping[str, Sequence[nn.Parameter]]) -> dict[str, float]:
    """Return the L2 norm of each component's weights; a component without any is left out."""
    with torch.no_grad():
        return {name: float(norms_of(list(parameters)).norm()) for name, parameters in components.items() if parameters}


class GradientNorms:
    """Measures the gradients of one set of parameters, step after step.

    Args:
        parameters: All that are trained.
        components: Which of them are watched together; one without parameters, all of it being frozen, is left out.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], components: Mapping[str, Sequence[nn.Parameter]]) -> None:
        self._parameters = list(parameters)
        place = {id(parameter): index for index, parameter in enumerate(self._parameters)}
        self._members = {
            name: [place[id(parameter)] for parameter in members if id(parameter) in place]
            for name, members in components.items()
            if members
        }

    def measure(self) -> tuple[Tensor, Tensor]:
        """Return the total norm, a scalar, and each parameter's norm, (P,), both on the device.

        A parameter without a gradient counts as 0.
        """
        missing = self._parameters[0].new_zeros(1)
        norms_P = norms_of([missing if p.grad is None else p.grad for p in self._parameters])
        return torch.linalg.vector_norm(norms_P), norms_P

    def summarise(self, total: float, norms_P: Sequence[float]) -> Norms:
        """Join parameters' norms, already on the host, into components' norms."""
        components = {
            name: sum(norms_P[index] ** 2 for index in members) ** 0.5 for name, members in self._members.items()
        }
        return Norms(total=total, components=components)


# Of a loss of one nat; as a model gets everything right, gradients rightly shrink with the loss.
VANISHED_GRADIENT = 1e-8
# Below what float32 resolves: no weight took part in any step.
UNCHANGED_WEIGHTS = 1e-7
# A mislabelled function late in training gives 1,000 times the median, but is small itself; a warm-up spike is large,
# but some tens of times the median. Only what is both, in several steps, is no accident.
EXPLODED_FACTOR = 100.0
EXPLODED_STEPS = 3
# From the first step on, when there is no healthy past to compare with.
ALWAYS_EXPLODED_FACTOR = 1e4
WINDOW = 101
# A healthy rate multiplies a component's weights by 2 at most between two evaluations, one far too high by 35.
EXPLODED_WEIGHTS = 20.0
# So many steps give a median that one spike does not move.
ENOUGH_STEPS = 8


@dataclass(kw_only=True)
class ComponentRecord:
    """One component's recent past, in plain values.

    Args:
        recent: Its last gradient norms, before clipping.
        peak: The largest since the last evaluation.
        exploded: Steps since then whose norm was far too large.
        weights: Norm of its weights at the last evaluation; null before training began.
    """

    recent: list[float] = field(default_factory=list)
    peak: float = 0.0
    exploded: int = 0
    weights: float | None = None


class GradientWatch:
    """Follows the components' norms step by step.

    Args:
        max_grad_norm: What gradients are clipped to.
    """

    def __init__(self, *, max_grad_norm: float) -> None:
        self._scale = max(1.0, max_grad_norm)
        self._records: dict[str, ComponentRecord] = {}
        self._largest_loss = 0.0
        self._steps = 0

    def begin(self, weights: Mapping[str, float]) -> None:
        """Remember the weights' norms that training starts with, unless a past is known."""
        for component, norm in weights.items():
            record = self._record(component)
            record.weights = norm if record.weights is None else record.weights

    def note(self, norms: Norms, *, loss: float) -> None:
        """Take in one step that changed the weights."""
        self._steps += 1
        self._largest_loss = max(self._largest_loss, loss)
        for component, norm in norms.components.items():
            if math.isfinite(norm):
                self._note(self._record(component), norm)

    def _note(self, record: ComponentRecord, norm: float) -> None:
        known = len(record.recent) >= ENOUGH_STEPS
        usual = median(record.recent) if known else math.inf
        far_above = norm > EXPLODED_FACTOR * usual and norm > EXPLODED_FACTOR * self._scale
        record.exploded += far_above or norm > ALWAYS_EXPLODED_FACTOR * self._scale
        record.peak = max(record.peak, norm)
        record.recent = list(deque([*record.recent, norm], maxlen=WINDOW))

    def evaluate(self, weights: Mapping[str, float], *, step: int) -> list[Collapse]:
        """Return the faults of each component since the last evaluation, and reset.

        Args:
            weights: Norm of each component's weights.
            step: Optimizer steps taken.
        """
        found = []
        for component, norm in weights.items():
            record = self._record(component)
            verdict = self._judge(record, norm) if self._steps else None
            if verdict is not None:
                kind, detail = verdict
                found.append(Collapse(type=kind, component=component, step=step, detail=detail))
            record.peak, record.exploded, record.weights = 0.0, 0, norm
        self._largest_loss, self._steps = 0.0, 0
        return found

    def _judge(self, record: ComponentRecord, weights: float) -> tuple[CollapseType, str] | None:
        if self._largest_loss == 0:
            return None
        # What begins at zero hides what is before it from the first step's gradient.
        if record.peak == 0:
            return None if self._steps == 1 else ("dead_branch", "no gradient reached it since the last evaluation")
        if record.peak < VANISHED_GRADIENT * min(1.0, self._largest_loss):
            return "vanishing_gradient", f"its largest gradient norm was {record.peak:.1e}"
        before = record.weights
        if before is not None and math.isfinite(weights) and abs(weights - before) <= UNCHANGED_WEIGHTS * before:
            return "dead_branch", "its weights have not changed since the last evaluation"
        if before is not None and weights > EXPLODED_WEIGHTS * before > 0:
            return "exploding_gradient", f"the norm of its weights grew from {before:.2g} to {weights:.2g}"
        if record.exploded >= min(EXPLODED_STEPS, self._steps):
            detail = f"{record.exploded} of {self._steps} steps; its largest gradient norm was {record.peak:.1e}"
            return "exploding_gradient", f"{detail}, the median is {median(record.recent):.1e}"
        return None

    def _record(self, component: str) -> ComponentRecord:
        return self._records.setdefault(component, ComponentRecord())

    def to_json(self) -> dict[str, Any]:
        """Return everything that a resumed run must know."""
        return {
            "records": {name: dict(vars(record)) for name, record in self._records.items()},
            "largest_loss": self._largest_loss,
            "steps": self._steps,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, max_grad_norm: float) -> Self:
        """Return the watch whose state is `content`; an empty one starts afresh."""
        watch = cls(max_grad_norm=max_grad_norm)
        if content:
            watch._records = {name: ComponentRecord(**record) for name, record in content["records"].items()}
            watch._largest_loss, watch._steps = content["largest_loss"], content["steps"]
        return watch
