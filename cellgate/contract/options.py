"""The options of a decision: everything that can be shipped, with its name and its parts.

How an option's scores are computed stands in `trainers.evaluation.options`: a test compares the rows there with these.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Option = Literal["transformer", "gnn", "ensemble", "ensemble_tuned", "fusion", "linear"]
Shipping = Literal["single", "ensemble", "fusion"]


@dataclass(frozen=True, kw_only=True)
class OptionSpec:
    """One option.

    Args:
        name: Stable identifier, used in evidence, decisions and bundles.
        title: Name for people.
        cells: Cells whose models it needs.
        outcome: The decision outcome that ships it; None for an option that is measured and shown, never chosen.
        on_request: Whether it is chosen only where the policy lets it be; an outcome without an option is not it.
    """

    name: Option
    title: str
    cells: tuple[int, ...]
    outcome: Shipping | None
    on_request: bool = False


# In the order of the evidence; names must equal those of `Option`, which type checkers read.
OPTIONS = (
    OptionSpec(name="transformer", title="Transformer", cells=(51,), outcome="single"),
    OptionSpec(name="gnn", title="Graph network", cells=(52,), outcome="single"),
    OptionSpec(name="ensemble", title="Ensemble", cells=(51, 52), outcome="ensemble"),
    OptionSpec(name="ensemble_tuned", title="Ensemble, tuned", cells=(51, 52), outcome="ensemble", on_request=True),
    OptionSpec(name="fusion", title="Fusion", cells=(51, 52, 53), outcome="fusion"),
    OptionSpec(name="linear", title="Linear model", cells=(51,), outcome=None),
)
OPTION_NAMES: Mapping[Option, str] = {option.name: option.title for option in OPTIONS}
OUTCOMES: Mapping[Option, Shipping | None] = {option.name: option.outcome for option in OPTIONS}
# The options of outcome `single`.
SINGLES: tuple[Option, ...] = tuple(option.name for option in OPTIONS if option.outcome == "single")
CELLS: Mapping[Option, tuple[int, ...]] = {option.name: option.cells for option in OPTIONS}


def share_no_model(first: Option, second: Option) -> bool:
    """Return whether no model of one option is part of the other, so that their seeds vary apart."""
    return not set(CELLS[first]) & set(CELLS[second])
