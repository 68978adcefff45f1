"""Curves as tables: a pandas DataFrame where pandas is installed."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from cellgate.contract.api.runs import Curve, RunAnswer
from cellgate.contract.cells import CellName


class CurvePoint(NamedTuple):
    """One point of one curve of one run."""

    cell: CellName
    seed: int
    run: str
    key: str
    step: int
    value: float


def points_of(run: RunAnswer, curves: Sequence[Curve]) -> list[CurvePoint]:
    """Return the points of a run's curves, curve by curve."""
    return [
        CurvePoint(cell=run.cell, seed=run.seed, run=run.id, key=curve.key, step=step, value=value)
        for curve in curves
        for step, value in zip(curve.steps, curve.values, strict=True)
    ]


def as_frame(points: Sequence[CurvePoint]) -> Any:
    """Return points as a DataFrame with a column per field where pandas is installed, else as a list."""
    if find_spec("pandas") is None:
        return list(points)
    # Only whoever asks for curves waits for it.
    return import_module("pandas").DataFrame(list(points), columns=CurvePoint._fields)
