"""Which margin around its threshold a model gives no verdict within: the rule that evidence, bundles and gate share."""

from collections.abc import Sequence


def least_within(risk_bounds: Sequence[float], risk: float) -> int | None:
    """Return the place of the first margin whose upper bound of the risk is within the risk; None where none is.

    Args:
        risk_bounds: Of each margin, the least first: it leaves most functions with a verdict.
        risk: Share of the verdicts that may be wrong.
    """
    return next((place for place, bound in enumerate(risk_bounds) if bound <= risk), None)
