"""How far experiments and jobs are, for people: a line per cell while it is watched, a row per run to look closer."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cellgate.cli.formatting import CELLS, duration, lifecycle, outcome, score, state
from cellgate.cli.tables import table
from cellgate.client.identities import Outlook
from cellgate.contract.api.experiments import ExperimentAnswer
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.states import RunState
from cellgate.contract.visible import visible

BAR_WIDTH = 24
CELL_BAR_WIDTH = 14
STEPS = {
    "preflight": "pre-flight",
    "54-bases": "evidence, gate, decision",
    "54-final": "evidence, last decision",
}
MARKS = {
    RunState.SUCCEEDED: "[green]✓[/]",
    RunState.FAILED: "[red]✗[/]",
    RunState.CANCELLED: "[red]–[/]",
    RunState.PAUSED: "[dim]paused[/]",
    RunState.PAUSING: "[dim]pausing[/]",
    RunState.QUEUED: "[dim]·[/]",
}


def heading(whole: ExperimentAnswer | JobAnswer, page: str | None) -> Iterator[Text]:
    """Yield the name and id of what is shown, and the address of its page."""
    name = f"[bold]{escape(visible(whole.name))}[/]  " if whole.name else ""
    yield Text.from_markup(f"{name}[dim]{whole.id}[/]")
    if page is not None:
        yield Text(page, style="cyan", no_wrap=True, overflow="ignore")


def overview(
    whole: ExperimentAnswer | JobAnswer,
    jobs: Sequence[JobAnswer],
    *,
    page: str | None = None,
    outlook: Outlook | None = None,
) -> RenderableType:
    """Return a line per cell with its seeds, and of the whole the remaining time and why nothing moves."""
    rows = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("cell", "seeds", "bar", "eta", "f1"):
        rows.add_column(column, no_wrap=column not in ("cell", "seeds"), justify="right" if column == "eta" else "left")
    for job in jobs:
        rows.add_row(*_cell(job))
    parts: list[RenderableType] = [*heading(whole, page), Text.from_markup(_status(whole, outlook)), rows]
    why = _why_nothing_moves(jobs, outlook)
    if why:
        parts.append(Text(f"Waits: {visible(why)}", style="yellow"))
    return Group(*parts)


def _status(whole: ExperimentAnswer | JobAnswer, outlook: Outlook | None) -> str:
    parts = [lifecycle(whole)]
    if isinstance(whole, ExperimentAnswer) and whole.paused:
        parts.append("[yellow]paused[/]")
    if whole.conclusion is not None:
        parts.append(outcome(whole.conclusion))
    elif outlook is not None and outlook.progress is not None:
        parts.append(f"{outlook.progress:.0%}")
    if outlook is not None and outlook.eta_s is not None:
        parts.append(f"{duration(outlook.eta_s)} left")
    return "  ".join(parts)


def _cell(job: JobAnswer) -> tuple[RenderableType, ...]:
    counted = [run for run in job.runs if run.superseded_by is None]
    done = sum(map(share_done, counted)) / max(1, len(counted))
    bar = ProgressBar(total=1, completed=done, width=CELL_BAR_WIDTH, complete_style="cyan", finished_style="green")
    etas = [run.progress.eta_s for run in counted if not run.state.terminal and run.progress.eta_s is not None]
    scores = [run.f1 for run in counted if run.f1 is not None]
    f1 = f"F1 {score(sum(scores) / len(scores), 3)}" if scores else ""
    seeds = Text.from_markup("  ".join(map(_seed, counted)))
    return Text(step_name(job)), seeds, bar, duration(max(etas, default=None)), f1


def _seed(run: RunAnswer) -> str:
    at_work = f"[cyan]{share_done(run):.0%}[/]" if run.state is RunState.RUNNING else f"[cyan]{run.state.value}[/]"
    return f"{run.seed} {MARKS.get(run.state, at_work)}"


def _why_nothing_moves(jobs: Sequence[JobAnswer], outlook: Outlook | None) -> str:
    """Return why no run is at work, with what to do; empty where one is, or nothing is left to do."""
    if outlook is not None and outlook.waiting is not None:
        return outlook.waiting.detail
    runs = [run for job in jobs for run in job.runs if not run.state.terminal]
    reasons = [run.waiting.detail for run in runs if run.waiting is not None]
    return reasons[0] if runs and len(reasons) == len(runs) else ""


def step_name(job: JobAnswer) -> str:
    """Return what a job is called: its cell, or its step of the pipeline."""
    return CELLS[job.cell] if job.step is None else STEPS.get(job.step, CELLS[job.cell])


def progress(
    whole: ExperimentAnswer | JobAnswer, jobs: Sequence[JobAnswer], *, page: str | None = None
) -> RenderableType:
    """Return the pipeline's steps and a bar per run, and what came of it once it has ended."""
    steps = " → ".join(f"{step_name(job)} {state(job.state)}" for job in jobs)
    rows = table("cell", "seed", "state", "progress", "", "ETA", "F1", numbers=("seed", "ETA", "F1"))
    for job in jobs:
        for run in job.runs:
            bar = ProgressBar(
                total=1, completed=share_done(run), width=BAR_WIDTH, complete_style="cyan", finished_style="green"
            )
            eta = "" if run.state.terminal else duration(run.progress.eta_s)
            rows.add_row(CELLS[run.cell], str(run.seed), state(run.state), bar, activity(run), eta, score(run.f1))
    head = [*heading(whole, page), Text.from_markup(f"{_status(whole, None)}  {steps}")]
    return Group(*head, rows)


def share_done(run: RunAnswer) -> float:
    """Return how much of a run is done, 0 to 1."""
    if run.state is RunState.SUCCEEDED:
        return 1.0
    if not run.progress.steps_total:
        return 0.0
    return min(1.0, (run.progress.steps_done or 0) / run.progress.steps_total)


def activity(run: RunAnswer) -> str:
    """Return a run's phase, what it waits for, or why it failed."""
    if run.reused_from is not None:
        return f"reused from {run.reused_from}"
    if run.state.terminal:
        return run.failure_reason.value if run.failure_reason else ""
    if run.waiting is not None:
        return run.waiting.detail
    parts = [run.progress.phase or ""]
    if run.progress.epochs:
        parts.append(f"epoch {run.progress.epoch}/{run.progress.epochs}")
    if run.attempt > 1:
        parts.append(f"attempt {run.attempt}")
    return ", ".join(part for part in parts if part)
