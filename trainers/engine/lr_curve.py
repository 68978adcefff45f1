"""The curve of an LR range test, smoothed, for the suggestion and for those who look at it."""

import math
from collections.abc import Iterable, Sequence

from cellgate.contract.range_test import RangeTestCurve

SMOOTHING = 0.9
# Enough for a chart; the cache's entry and an event of each run hold the curve.
DIGITS = 6


def smooth(losses: Iterable[float]) -> list[float]:
    """Return the exponential moving average, corrected for its start.

    Source:
        Kingma and Ba 2015, arXiv 1412.6980, section 3 (the correction).
    """
    average = 0.0
    smoothed = []
    for count, loss in enumerate(losses, start=1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed.append(average / (1 - SMOOTHING**count))
    return smoothed


def curve_of(rates: Sequence[float], losses: Sequence[float]) -> RangeTestCurve | None:
    """Return what a test has measured, rounded to `DIGITS` digits; None where it measured nothing.

    Args:
        rates: Rising.
        losses: As the suggestion is read from them, as many.
    """
    if not losses:
        return None
    return RangeTestCurve(
        rates=[_rounded(rate) for rate in rates],
        losses=[_finite(loss) for loss in losses],
        smoothed=[_finite(loss) for loss in smooth(losses)],
    )


def _finite(loss: float) -> float | None:
    return _rounded(loss) if math.isfinite(loss) else None


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
