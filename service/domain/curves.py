"""Where the points of a run's curves lie: epochs that were done at a step, and curves that are measured by time. Pure.

Points are stored by step. Every epoch of training ends with an evaluation on dev, whose steps are therefore where the
epochs end.
"""

from bisect import bisect_left
from collections.abc import Sequence

# Measured at each evaluation on dev, and at no other step.
EVALUATED = "dev/f1"
# Of these curves the step is the number of seconds that the attempt was at work.
RESOURCES = "resource/"


def is_by_time(key: str) -> bool:
    """Return whether a curve is measured by time, each attempt counting its own seconds."""
    return key.startswith(RESOURCES)


def epoch_ends(
    evaluated: Sequence[int], *, steps_total: int | None, epochs: int | None, max_steps: int | None
) -> list[tuple[int, float]] | None:
    """Return pairs of a step and the epochs done at it, rising; None where the length of an epoch is not known.

    Args:
        evaluated: Steps of the evaluations on dev, rising.
        steps_total: Optimizer steps of the whole run, once it has told them.
        epochs: Of the whole run, likewise.
        max_steps: Where training is cut off, perhaps within an epoch.
    """
    ends = [(step, float(number)) for number, step in enumerate(evaluated, start=1)]
    if not ends:
        whole = steps_total and epochs and max_steps is None
        return [(steps_total or 0, float(epochs or 0))] if whole else None
    if max_steps is None or ends[-1][0] < max_steps:
        return ends
    if len(ends) == 1:
        return None
    # The last one was cut off: how much of it there was follows from the length of those before.
    before, done = ends[-2]
    return [*ends[:-1], (ends[-1][0], done + min(1.0, (ends[-1][0] - before) * done / before))]


def epochs_at(steps: Sequence[int], ends: Sequence[tuple[int, float]]) -> list[float]:
    """Return the epochs that were done at each step, in fractions.

    Args:
        steps: Of a curve.
        ends: Of `epoch_ends`; beyond the last, epochs are as long as those before on average.
    """
    return [round(_epochs_at(step, ends), 4) for step in steps]


def _epochs_at(step: int, ends: Sequence[tuple[int, float]]) -> float:
    place = bisect_left(ends, (step, 0.0))
    if place == len(ends):
        last, done = ends[-1]
        return step * done / last if last else done
    (end, done), (begin, before) = ends[place], ends[place - 1] if place else (0, 0.0)
    return done if end == begin else before + (done - before) * (step - begin) / (end - begin)
