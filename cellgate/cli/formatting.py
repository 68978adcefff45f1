"""Values as text for the terminal."""

from collections.abc import Mapping
from typing import Literal

from rich.markup import escape

from cellgate.contract import cells
from cellgate.contract.api.experiments import ExperimentAnswer, ExperimentSummary
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.cells import CellName
from cellgate.contract.conclusion import Conclusion, JobConclusion, JobOutcome, Lifecycle, Outcome
from cellgate.contract.states import DatasetState, ExperimentState, JobState, RunState

CELLS: Mapping[CellName, str] = {entry.json: entry.label for entry in cells.CELLS}
VERDICTS = {
    "pass": "[green]pass[/]",
    "fail": "[red]FAIL[/]",
    "warn": "[yellow]warn[/]",
    "waived": "[yellow]waived[/]",
    "pending": "[dim]pending[/]",
}
BARS = "▁▂▃▄▅▆▇█"
BARS_WIDTH = 40
AnyState = RunState | JobState | DatasetState | ExperimentState
OUTCOME_COLOURS: Mapping[Outcome | JobOutcome, str] = {
    Outcome.SHIPS: "green",
    Outcome.BORDERLINE: "yellow",
    Outcome.IMPROVE: "yellow",
    JobOutcome.COMPLETE: "green",
}
GOOD = frozenset({"succeeded", "ready"})
BAD = frozenset({"failed", "cancelled"})
WAITING = frozenset({"queued", "paused", "waiting"})


def state(value: AnyState) -> str:
    """Return a state as coloured markup."""
    colour = "green" if value in GOOD else "red" if value in BAD else "dim" if value in WAITING else "cyan"
    return f"[{colour}]{value.value}[/]"


def lifecycle(found: ExperimentSummary | ExperimentAnswer | JobAnswer) -> str:
    """Return whether it goes on as coloured markup, and at what step it is."""
    if found.lifecycle is Lifecycle.RUNNING and not isinstance(found, JobAnswer):
        return f"[cyan]running[/] ({found.state.value})"
    colour = {Lifecycle.WAITING: "dim", Lifecycle.RUNNING: "cyan", Lifecycle.CANCELLED: "red"}.get(found.lifecycle)
    return found.lifecycle.value if colour is None else f"[{colour}]{found.lifecycle.value}[/]"


def state_and_outcome(found: ExperimentSummary) -> str:
    """Return what came of it, once it has ended, and until then how far it is or why nothing moves, as markup."""
    if found.conclusion is not None:
        return outcome(found.conclusion)
    if found.paused:
        return "[yellow]paused[/]"
    if found.waiting is not None:
        return f"[yellow]waits: {found.waiting.reason.replace('_', ' ')}[/]"
    at = f" {found.progress:.0%}" if found.progress is not None else ""
    return f"{lifecycle(found)}{at}"


def outcome(conclusion: Conclusion | JobConclusion | None) -> str:
    """Return what came of it as coloured markup, with the computed outcome beside a person's; empty until it ended."""
    if conclusion is None:
        return ""
    text = f"[{OUTCOME_COLOURS.get(conclusion.outcome, 'red')}]{escape(conclusion.text)}[/]"
    if isinstance(conclusion, JobConclusion) or conclusion.overruled_by is None:
        return text
    return f"{text} [dim](computed: {escape(conclusion.computed.text)})[/]"


def score(value: float | None, digits: int = 4) -> str:
    """Return a score, empty when there is none."""
    return "" if value is None else f"{value:.{digits}f}"


def span(low: float, high: float, *, sign: Literal["", "+"] = "") -> str:
    """Return an interval, with signs for differences.

    Args:
        low: Lower end, e.g. 0.612.
        high: Upper end.
        sign: `+` also marks positive numbers, as differences need it.
    """
    return f"{low:{sign}.3f} to {high:{sign}.3f}"


def duration(seconds: float | None) -> str:
    """Return seconds as `4 s`, `3:05` or `2:03:05`."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bars(values: list[float], width: int = BARS_WIDTH) -> str:
    """Return values as a line of bars, each the mean of an equal share of them.

    Args:
        values: At least one value.
        width: Largest number of bars.
    """
    count = min(width, len(values))
    shares = [values[len(values) * i // count : len(values) * (i + 1) // count] for i in range(count)]
    means = [sum(share) / len(share) for share in shares]
    low, high = min(means), max(means)
    if high == low:
        return BARS[0] * count
    return "".join(BARS[round((mean - low) / (high - low) * (len(BARS) - 1))] for mean in means)
