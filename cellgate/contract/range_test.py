"""The curve of an LR range test, as a run's `lr_finder` event carries it: what the suggested rate was read from."""

from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from cellgate.contract.documents import Document, Finite

# Of a test the spec allows fewer; whatever else wrote the event is not believed.
MOST_POINTS = 1_000
_Losses = Annotated[list[Finite | None], Field(max_length=MOST_POINTS)]


class RangeTestCurve(Document):
    """What an LR range test has measured, each list in the order of the steps."""

    rates: list[Finite] = Field(
        min_length=1, max_length=MOST_POINTS, description="Peak learning rates that were tried, rising."
    )
    losses: _Losses = Field(description="Of each step, its batch's labels evened out; null where it was not finite.")
    smoothed: _Losses = Field(
        description="The same, as the test smooths it; null from the first loss on that was not finite."
    )

    @model_validator(mode="after")
    def _is_aligned(self) -> Self:
        if not len(self.rates) == len(self.losses) == len(self.smoothed):
            raise ValueError("expected as many losses as rates")
        return self


def curve_in(found: Any) -> RangeTestCurve | None:
    """Return the curve that some JSON holds; None where it holds none: a curve is only there to be looked at."""
    try:
        return RangeTestCurve.model_validate(found)
    except ValidationError:
        return None
