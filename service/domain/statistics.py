"""Small statistics of the gate and the decision: means over seeds, their intervals, comparison with a threshold."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

# A mean of equal numbers differs from them by rounding: that much is not "above".
ROUNDING = 1e-12
CONFIDENCE = 0.95


def is_above(value: float, threshold: float) -> bool:
    """Return whether `value` is above `threshold`; exactly at it, or beyond it by rounding only, is not above."""
    return value - threshold > ROUNDING


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % t-interval of the mean over seeds, cut to 0..1; None with fewer than two values."""
    if len(values) < 2:
        return None
    # Imported here: it brings NumPy, and the API starts without that.
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * stdev(values) / math.sqrt(len(values))
    mean = fmean(values)
    return max(0.0, mean - half), min(1.0, mean + half)
