"""How options, decisions and figures read in a report and on the terminal."""

from collections.abc import Mapping, Sequence

from cellgate.contract.decision import DecisionOutcome
from cellgate.contract.evidence import BaselineName
from cellgate.contract.options import OPTION_NAMES, Option

BASELINE_NAMES: dict[BaselineName, str] = {
    "all_positive": "Everything called vulnerable",
    "bag_of_tokens": "Bag of tokens",
    "length": "Length alone",
    "identifiers": "Identifiers alone",
}
HEADLINES: Mapping[DecisionOutcome, str] = {
    "ensemble": "Ship the ensemble",
    "single": "Ship a single model",
    "fusion": "Ship fusion",
    "train_fusion": "Train fusion",
    "improve": "Improve 51 and 52",
}


def headline(outcome: DecisionOutcome, option: Option | None, seeds: Sequence[int] = ()) -> str:
    """Return a decision as a short sentence.

    Args:
        outcome: What was decided.
        option: The single model that is shipped; null names none.
        seeds: Seeds that are shipped; empty leaves them out.
    """
    text = HEADLINES[outcome]
    if option == "ensemble_tuned":
        text = "Ship the tuned ensemble"
    elif outcome == "single" and option is not None:
        text = f"Ship the {OPTION_NAMES[option].lower()} alone"
    return f"{text}, {name_seeds(seeds)}" if seeds else text


def name_seeds(seeds: Sequence[int]) -> str:
    """Return `seed 3`, or `seeds 0, 1, 2 together`."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))} together"


def score(value: float | None, digits: int = 3) -> str:
    """Return a score, a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float, digits: int = 4) -> str:
    """Return a difference with its sign; none where it is rounded to nothing."""
    return f"{value:+z.{digits}f}".replace("-", "−")


def percent(value: float | None) -> str:
    """Return a share in percent, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def count(value: float) -> str:
    """Return a number of functions; a mean over seeds with one decimal."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def p_value(value: float | None) -> str:
    """Return a p-value, a dash where there is none."""
    if value is None:
        return "–"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def number(value: float | None) -> str:
    """Return a count without decimals, a score with four; nothing where there is none."""
    if value is None:
        return ""
    return f"{value:.0f}" if value.is_integer() and value > 1 else score(value, 4)
