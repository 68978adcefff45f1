"""Watch data sets, experiments and jobs until they end: redrawn in place in a terminal, else a line per change."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape

from cellgate.cli.formatting import CELLS, duration
from cellgate.cli.pages import page_of
from cellgate.cli.progress import activity, heading, overview
from cellgate.client._sync.client import Client
from cellgate.client.identities import Identity
from cellgate.client.requests import path_to
from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.api.experiments import ExperimentAnswer
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.states import DatasetState

A = TypeVar("A")
T = TypeVar("T", ExperimentAnswer, JobAnswer)


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
    """Return the experiment once it has ended, and show its cells until then.

    Args:
        client: Of the server; polled as it advises until the state is final.
        experiment_id: Like `exp_…`.
        console: Gets a line per cell that is redrawn in place.
    """
    page = page_of(client.server, Identity(collection="experiments", id=experiment_id))

    def draw(answer: ExperimentAnswer) -> RenderableType:
        outlook = None if answer.state.terminal else client.outlook(experiment_id)
        return overview(answer, answer.jobs, page=page, outlook=outlook)

    follow = client.follow(path_to("experiments", experiment_id), ExperimentAnswer, ended=lambda x: x.state.terminal)
    return _watch(follow, draw, lambda answer: answer.jobs, console, page)


def watch_job(client: Client, job_id: str, console: Console) -> JobAnswer:
    """Return the job once it has ended, and show its seeds until then.

    Args:
        client: Of the server; polled as it advises until the state is final.
        job_id: Like `job_…`.
        console: Gets a line that is redrawn in place.
    """
    follow = client.follow(path_to("jobs", job_id), JobAnswer, ended=lambda answer: answer.state.terminal)
    return _watch(follow, lambda answer: overview(answer, [answer]), lambda answer: [answer], console, None)


def _watch(
    answers: Iterator[T],
    draw: Callable[[T], RenderableType],
    jobs_of: Callable[[T], list[JobAnswer]],
    console: Console,
    page: str | None,
) -> T:
    if not console.is_terminal:
        return _print_changes(answers, jobs_of, console, page)
    with Live(console=console, refresh_per_second=4) as live:
        for answer in answers:
            live.update(draw(answer))
    return answer


def _print_changes(
    answers: Iterator[T], jobs_of: Callable[[T], list[JobAnswer]], console: Console, page: str | None
) -> T:
    """Print a line per change: where there is no terminal, bars would only fill a log."""
    started = time.monotonic()
    printed: dict[str, str] = {}
    for answer in answers:
        if not printed:
            console.print(Group(*heading(answer, page)))
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
