"""Runs side by side: what was asked of them differently, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.domain.errors import escaped

SPLITS_SHOWN = ("dev", "gate", "test")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One run, as far as it is compared.

    Args:
        config: Its cell's config.
        result: `result.json`; None before its end.
    """

    config: Mapping[str, Any]
    result: Mapping[str, Any] | None


def differences(runs: Sequence[Compared]) -> dict[str, list[Any]]:
    """Return each setting that is not the same in all runs by its JSON pointer, with its value in each, in their order.

    A setting that a run does not have is null.
    """
    flat = [dict(_leaves(run.config, "")) for run in runs]
    pointers = sorted({pointer for settings in flat for pointer in settings})
    values = {pointer: [settings.get(pointer) for settings in flat] for pointer in pointers}
    return {pointer: found for pointer, found in values.items() if any(value != found[0] for value in found)}


def metrics_side_by_side(runs: Sequence[Compared]) -> dict[str, list[float | None]]:
    """Return each metric as `split/name`, and its value in each run, in their order; null where a run has none."""
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
