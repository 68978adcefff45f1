"""How values read on the terminal."""

from collections.abc import Mapping
from typing import Literal

from cellgate.contract import cells
from cellgate.contract.cells import CellName
from cellgate.contract.states import DatasetState, ExperimentState, JobState, RunState

CELLS: Mapping[CellName, str] = {entry.json: entry.label for entry in cells.CELLS}
VERDICTS = {
    "pass": "[green]pass[/]",
    "fail": "[red]FAIL[/]",
    "warn": "[yellow]warn[/]",
    "waived": "[yellow]waived[/]",
    "pending": "[dim]pending[/]",
}
AnyState = RunState | JobState | DatasetState | ExperimentState
GOOD = frozenset({"succeeded", "ready"})
BAD = frozenset({"failed", "cancelled"})
WAITING = frozenset({"queued", "paused", "waiting"})


def state(value: AnyState) -> str:
    """Return a state in its colour."""
    colour = "green" if value in GOOD else "red" if value in BAD else "dim" if value in WAITING else "cyan"
    return f"[{colour}]{value.value}[/]"


def score(value: float | None, digits: int = 4) -> str:
    """Return a score, empty when there is none."""
    return "" if value is None else f"{value:.{digits}f}"


def span(low: float, high: float, *, sign: Literal["", "+"] = "") -> str:
    """Return an interval."""
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
