"""Live progress of data sets, experiments and jobs."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.text import Text

from cellgate.cli.formatting import CELLS, duration, lifecycle, outcome, score, state
from cellgate.cli.tables import table
from cellgate.client._sync.client import Client
from cellgate.client.requests import path_to
from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.api.experiments import ExperimentAnswer
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.states import DatasetState, RunState

BAR_WIDTH = 24
A = TypeVar("A")
T = TypeVar("T", ExperimentAnswer, JobAnswer)
STEPS = {
    "preflight": "pre-flight",
    "54-bases": "evidence, gate, decision",
    "54-final": "evidence, last decision",
}


def watch_dataset(client: Client, dataset_id: str, console: Console) -> DatasetAnswer:
    """Return the data set once it is ready or has failed, and show its progress until then.

    Args:
        client: Of the server; polled as it advises until the state is final.
        dataset_id: Like `ds_…`.
        console: Gets one line that is redrawn in place while the data set is prepared.
    """
    dataset = client.dataset(dataset_id)
    if dataset.state is DatasetState.PREPARING and dataset.run is not None:
        with console.status(f"preparing {escape(dataset.name)}…") as status:
            path = path_to("runs", dataset.run)
            for run in client.follow(path, RunAnswer, ended=lambda found: found.state.terminal):
                status.update(f"preparing {escape(dataset.name)}: {run.state} {activity(run)}")
    path = path_to("datasets", dataset_id)
    return last(client.follow(path, DatasetAnswer, ended=lambda found: found.state is not DatasetState.PREPARING))


def last(answers: Iterator[A]) -> A:
    """Return the last of at least one."""
    *_, answer = answers
    return answer


def watch_experiment(client: Client, experiment_id: str, console: Console) -> ExperimentAnswer:
    """Return the experiment once it has ended, and show every run until then.

    Args:
        client: Of the server; polled as it advises until the state is final.
        experiment_id: Like `exp_…`.
        console: Gets a table with a row per run that is redrawn in place.
    """
    follow = client.follow(path_to("experiments", experiment_id), ExperimentAnswer, ended=lambda x: x.state.terminal)
    return _watch(follow, lambda answer: answer.jobs, console)


def watch_job(client: Client, job_id: str, console: Console) -> JobAnswer:
    """Return the job once it has ended, and show every run until then.

    Args:
        client: Of the server; polled as it advises until the state is final.
        job_id: Like `job_…`.
        console: Gets a table with a row per run that is redrawn in place.
    """
    follow = client.follow(path_to("jobs", job_id), JobAnswer, ended=lambda answer: answer.state.terminal)
    return _watch(follow, lambda answer: [answer], console)


def _watch(answers: Iterator[T], jobs_of: Callable[[T], list[JobAnswer]], console: Console) -> T:
    if not console.is_terminal:
        return _print_changes(answers, jobs_of, console)
    with Live(console=console, refresh_per_second=4) as live:
        for answer in answers:
            live.update(progress(answer, jobs_of(answer)))
    return answer


def _step(job: JobAnswer) -> str:
    return CELLS[job.cell] if job.step is None else STEPS.get(job.step, job.step)


def progress(whole: ExperimentAnswer | JobAnswer, jobs: list[JobAnswer]) -> RenderableType:
    """Return the pipeline's steps and a bar per run, and what came of it once it has ended."""
    steps = " → ".join(f"{_step(job)} {state(job.state)}" for job in jobs)
    rows = table("cell", "seed", "state", "progress", "", "ETA", "F1", numbers=("seed", "ETA", "F1"))
    for job in jobs:
        for run in job.runs:
            bar = ProgressBar(
                total=1, completed=share_done(run), width=BAR_WIDTH, complete_style="cyan", finished_style="green"
            )
            eta = "" if run.state.terminal else duration(run.progress.eta_s)
            rows.add_row(CELLS[run.cell], str(run.seed), state(run.state), bar, activity(run), eta, score(run.f1))
    head = [Text.from_markup(f"{lifecycle(whole)}  {steps}")]
    if whole.conclusion is not None:
        head.append(Text.from_markup(f"Outcome: {outcome(whole.conclusion)}"))
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


def _print_changes(answers: Iterator[T], jobs_of: Callable[[T], list[JobAnswer]], console: Console) -> T:
    """Print a line per change: where there is no terminal, bars would only fill a log."""
    started = time.monotonic()
    printed: dict[str, str] = {}
    for answer in answers:
        lines = {answer.id: answer.state.value if answer.conclusion is None else _end(answer)}
        lines |= {_who(job, run): _line(run) for job in jobs_of(answer) for run in job.runs}
        for who, line in lines.items():
            if printed.get(who) != line:
                console.print(f"{duration(time.monotonic() - started):>7}  {who}: {escape(line)}", soft_wrap=True)
        printed = lines
    return answer


def _end(answer: ExperimentAnswer | JobAnswer) -> str:
    text = "" if answer.conclusion is None else f", {answer.conclusion.text}"
    return f"{answer.lifecycle.value}{text}"


def _who(job: JobAnswer, run: RunAnswer) -> str:
    name = CELLS[run.cell] if job.step is None or job.step.isdigit() else job.step
    return f"{name} seed {run.seed}"


def _line(run: RunAnswer) -> str:
    f1 = f", F1 {run.f1:.4f}" if run.f1 is not None else ""
    failed = f": {run.failure_reason}" if run.failure_reason else ""
    epoch = f", epoch {run.progress.epoch}/{run.progress.epochs}" if run.progress.epochs else ""
    waits = f": {run.waiting.detail}" if run.waiting else ""
    return f"{run.state.value}{failed}{waits}{f1}{'' if run.state.terminal else epoch}"
