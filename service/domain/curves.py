"""A long curve in few points, so that no peak is lost.

Source:
    M4: Jugel, Jerzak, Hackenbroich and Markl 2014, "M4: A Visualization-Oriented Time Series Data Aggregation",
    PVLDB 7(10): of each interval of steps its first, last, lowest and highest point are kept.
"""

from collections.abc import Sequence

POINTS_PER_INTERVAL = 4


def thinned(steps: Sequence[int], values: Sequence[float], *, max_points: int) -> tuple[list[int], list[float]]:
    """Return at most so many of the points, each as it was measured, in order.

    Args:
        steps: Ascending, as many as `values`.
        values: Finite.
        max_points: At least `POINTS_PER_INTERVAL`.
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
