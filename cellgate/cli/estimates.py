"""Estimates for people: what an experiment will take, and what it took."""

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from cellgate.cli.formatting import CELLS, duration
from cellgate.cli.tables import table
from cellgate.contract.api.estimates import EstimateAnswer, Figure, SpentAnswer

UNKNOWN = "not known"


def show_estimate(console: Console, estimate: EstimateAnswer) -> None:
    """Print what an experiment will take, each figure with its range, and below where the figures come from."""
    numbers = ("runs", "time of each", "memory of each", "on the GPU", "disk of all")
    rows = table("cell", *numbers, title="Estimate of cells 51 to 53", numbers=numbers)
    sources: dict[str, None] = {}
    for step in estimate.steps:
        bytes_of = (step.host_bytes, step.device_bytes, step.disk_bytes)
        cells = [_shown(step.seconds, duration), *(_shown(figure, size) for figure in bytes_of)]
        rows.add_row(CELLS[step.cell], str(step.runs), *cells)
        sources |= dict.fromkeys(f"{CELLS[step.cell]}: {figure.source}" for figure in (step.seconds, *bytes_of))
    console.print(rows)
    for source in sources:
        console.print(f"  {escape(source)}", style="dim")
    console.print(f"All runs together: {_shown(estimate.device_s, duration)} at work.")
    if estimate.cost.value is None:
        console.print(f"Cost: {UNKNOWN}: {escape(estimate.cost.source)}")
    else:
        console.print(f"Cost: {_shown(estimate.cost, '{:.2f}'.format)}.")
    if estimate.exceeds_budget:
        console.print("Even the lower end is above the budget: it would be stopped.", style="red")


def show_spent(console: Console, spent: SpentAnswer) -> None:
    """Print what an experiment has taken beside what was predicted, and its budget."""
    predicted = "" if spent.predicted is None else f", predicted {_shown(spent.predicted.device_s, duration)}"
    cost = "" if spent.cost is None else f"; cost {spent.cost:.2f}"
    budget = "" if spent.budget_s is None else f"; budget {duration(spent.budget_s)}"
    other = f"; {duration(spent.other_s)} in pre-flight and evidence"
    console.print(f"At work: {duration(spent.device_s)} in cells 51 to 53{predicted}{other}{cost}{budget}.")


def size(count: float) -> str:
    """Return a number of bytes for people."""
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _shown(figure: Figure, text: Callable[[float], str]) -> str:
    if figure.value is None:
        return UNKNOWN
    if figure.low is None or figure.high is None:
        return text(figure.value)
    return f"{text(figure.value)} ({text(figure.low)} to {text(figure.high)})"
