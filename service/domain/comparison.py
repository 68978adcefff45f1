"""Figures of runs: settings and metrics side by side, and curves downsampled for a chart. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.domain.errors import escaped

SPLITS_SHOWN = ("dev", "gate", "test")
POINTS_PER_INTERVAL = 4


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The parts of a run that are compared.

    Args:
        config: Its cell's config.
        result: `result.json`; None before the run's end.
    """

    config: Mapping[str, Any]
    result: Mapping[str, Any] | None


def setting_differences(runs: Sequence[Compared]) -> dict[str, list[Any]]:
    """Return each setting that differs between runs, by its JSON pointer, with its value in each run, in their order.

    None stands for a run without the setting.
    """
    flat = [dict(_leaves(run.config, "")) for run in runs]
    pointers = sorted({pointer for settings in flat for pointer in settings})
    values = {pointer: [settings.get(pointer) for settings in flat] for pointer in pointers}
    return {pointer: found for pointer, found in values.items() if any(value != found[0] for value in found)}


def metrics_side_by_side(runs: Sequence[Compared]) -> dict[str, list[float | None]]:
    """Return the values of each metric `split/name`, one per run in their order; None where a run has none."""
    flat = [_metrics(run.result) for run in runs]
    names = dict.fromkeys(name for metrics in flat for name in metrics)
    return {name: [metrics.get(name) for metrics in flat] for name in names}


def _metrics(result: Mapping[str, Any] | None) -> dict[str, float]:
    metrics = (result or {}).get("metrics") or {}
    return {
        f"{split}/{name}": value
        for split in SPLITS_SHOWN
        for name, value in (metrics.get(split) or {}).items()
        if isinstance(value, int | float)
    }


def _leaves(value: Any, pointer: str) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping) or not value:
        return [(pointer, value)]
    return [leaf for key in value for leaf in _leaves(value[key], f"{pointer}/{escaped(key)}")]


def thinned(steps: Sequence[int], values: Sequence[float], *, max_points: int) -> tuple[list[int], list[float]]:
    """Return at most `max_points` of the points, unchanged and in order, so that no peak is lost.

    Args:
        steps: Ascending, as many as `values`.
        values: Finite.
        max_points: At least `POINTS_PER_INTERVAL`.

    Source:
        M4: Jugel, Jerzak, Hackenbroich and Markl 2014, "M4: A Visualization-Oriented Time Series Data Aggregation",
        PVLDB 7(10): of each interval of steps its first, last, lowest and highest point are kept.
    """
    if len(steps) <= max_points:
        return list(steps), list(values)
    intervals = max_points // POINTS_PER_INTERVAL
    span = steps[-1] - steps[0] + 1
    kept: list[int] = []
    begin = 0
    for interval in range(intervals):
        # Integers throughout: the borders are the same wherever this is computed.
        border = steps[0] + (interval + 1) * span // intervals
        end = begin
        while end < len(steps) and steps[end] < border:
            end += 1
        if end > begin:
            inside = range(begin, end)
            kept += sorted({begin, end - 1, min(inside, key=values.__getitem__), max(inside, key=values.__getitem__)})
        begin = end
    return [steps[at] for at in kept], [values[at] for at in kept]
