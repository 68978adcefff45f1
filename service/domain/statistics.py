"""Small statistics of the gate and the decision: means over seeds, their intervals, and comparing with a threshold."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

# A mean of equal numbers differs from them by rounding: that much is not "above".
ROUNDING = 1e-12

# Student's t, two-sided 95 %, for 1, 2, … degrees of freedom.
# Source: NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2, column 0.975.
T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    2.040,
)  # fmt: skip


def is_above(value: float, threshold: float) -> bool:
    """Return whether `value` is above `threshold`; exactly at it, or beyond it by rounding only, is not above."""
    return value - threshold > ROUNDING


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % t-interval of the mean over seeds, cut to 0..1; None with fewer than two values."""
    if len(values) < 2:
        return None
    freedom = len(values) - 1
    # An experiment has at most 32 seeds; past the table the last entry is the cautious one.
    half = T_975[min(freedom, len(T_975)) - 1] * stdev(values) / math.sqrt(len(values))
    mean = fmean(values)
    return max(0.0, mean - half), min(1.0, mean + half)
