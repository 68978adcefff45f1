"""Estimate what a training takes from runs that have finished and from pre-flights. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from cellgate.contract.api.estimates import Figure
from cellgate.contract.results import PredictedNeed

# A single run says little of how much others differ. A pre-flight's batch is the worst, and a training may stop early.
ONE_RUN_RANGE = (0.67, 1.5)
LEAST_RANGE = (0.8, 1.25)
PREFLIGHT_RANGE = (0.2, 1.2)
MEMORY_RANGE = (0.9, 1.2)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished run that trained the same model.

    Args:
        seconds: Time at work.
        rows: Functions of one epoch.
        epochs: That it took.
        planned: Epochs of its spec.
        host_bytes: Peak memory.
        device_bytes: Peak memory on the GPU.
    """

    seconds: float
    rows: int
    epochs: int
    planned: int
    host_bytes: float
    device_bytes: float


def seconds_of_run(
    runs: Sequence[Trained], need: PredictedNeed | None, *, rows: int, epochs: int, unknown: str
) -> Figure:
    """Return the time of one run.

    Finished runs come first: their time per function and epoch, and the share of their epochs that they took.

    Args:
        runs: That trained the same model.
        need: Of a pre-flight of the same config on the same data.
        rows: Functions of one epoch.
        epochs: Of the spec.
        unknown: What would make it known.
    """
    if runs:
        rates = [run.seconds / (run.rows * run.epochs) for run in runs]
        shares = [run.epochs / run.planned for run in runs]
        whole = rows * epochs
        value = median(rates) * whole * median(shares)
        least = ONE_RUN_RANGE if len(runs) == 1 else LEAST_RANGE
        low = min(min(rates) * whole * min(shares), value * least[0])
        high = max(max(rates) * whole, value * least[1])
        return Figure(
            value=value, low=low, high=high, source=f"{_counted(runs)} of this model, by functions and epochs"
        )
    if need is not None and need.step_s is not None and need.steps is not None:
        value = need.step_s * need.steps
        low, high = (value * factor for factor in PREFLIGHT_RANGE)
        return Figure(value=value, low=low, high=high, source=f"pre-flight: {need.steps} steps like its worst batch")
    return Figure(value=None, source=unknown)


def memory_of_run(runs: Sequence[Trained], need: PredictedNeed | None, *, device: bool, unknown: str) -> Figure:
    """Return the peak memory of one run on the host or on the GPU.

    Args:
        runs: That trained the same model.
        need: Of a pre-flight of the same config on the same data, which comes first: it saw the worst batch.
        device: Whether that of the GPU is wanted.
        unknown: What would make it known.
    """
    if need is not None:
        value = float(need.device_bytes if device else need.host_bytes)
        low, high = (value * factor for factor in MEMORY_RANGE)
        return Figure(value=value, low=low, high=high, source="pre-flight: model, worst batch, data and predictions")
    if runs:
        found = [run.device_bytes if device else run.host_bytes for run in runs]
        low, high = (factor * value for factor, value in zip(MEMORY_RANGE, (min(found), max(found)), strict=True))
        return Figure(value=median(found), low=low, high=high, source=f"peak of {_counted(runs)} of this model")
    return Figure(value=None, source=unknown)


def total(figures: Sequence[tuple[Figure, int, bool]], *, unknown: str) -> Figure:
    """Return the sum of figures, each times a number; not known while one of them is not.

    Args:
        figures: With how often each counts, and whether that is certain; else the lower end is without it.
        unknown: What would make it known.
    """
    if any(figure.value is None for figure, _, _ in figures):
        return Figure(value=None, source=unknown)
    return Figure(
        value=sum((figure.value or 0.0) * count for figure, count, _ in figures),
        low=sum((figure.low or 0.0) * count for figure, count, certain in figures if certain),
        high=sum((figure.high or 0.0) * count for figure, count, _ in figures),
        source="the sum of all runs",
    )


def scaled(figure: Figure, factor: float | None, *, source: str, unknown: str) -> Figure:
    """Return a figure times a factor; not known where either is not.

    Args:
        figure: The figure.
        factor: None: not known.
        source: Where the product comes from.
        unknown: What would make the factor known.
    """
    if factor is None or figure.value is None or figure.low is None or figure.high is None:
        return Figure(value=None, source=unknown if factor is None else figure.source)
    return Figure(value=figure.value * factor, low=figure.low * factor, high=figure.high * factor, source=source)


def _counted(runs: Sequence[Trained]) -> str:
    return f"{len(runs)} finished run{'s' if len(runs) > 1 else ''}"
