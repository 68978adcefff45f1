"""What a run's events say of its learning rate: the curve of the range test, or why there is none. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cellgate.contract.range_test import RangeTestCurve, curve_in
from cellgate.contract.results import LearningRateOutcome


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """The learning rate of a run, and the curve that it was read from.

    Args:
        chosen: As the run tells it.
        curve: None where none was measured or kept.
    """

    chosen: LearningRateOutcome
    curve: RangeTestCurve | None


def range_test_in(bodies: Sequence[Mapping[str, Any]]) -> RangeTest | None:
    """Return what a run's `lr_finder` events say; None where none of them can be read.

    A run that goes on from a checkpoint tells its rate again, without the curve: that of an earlier attempt counts.

    Args:
        bodies: Of the events, the newest first.
    """
    chosen = next((told for body in bodies if (told := _outcome_in(body)) is not None), None)
    curve = next((drawn for body in bodies if (drawn := curve_in(body.get("curve"))) is not None), None)
    return None if chosen is None else RangeTest(chosen=chosen, curve=curve)


def _outcome_in(body: Mapping[str, Any]) -> LearningRateOutcome | None:
    # A trainer's lines are not trusted.
    try:
        return LearningRateOutcome.model_validate({name: body.get(name) for name in LearningRateOutcome.model_fields})
    except ValidationError:
        return None
