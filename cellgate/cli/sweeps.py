"""`sweep`: try configs of one cell on one data set, choose on `dev`, confirm the winner on other seeds."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import complain, terminal
from cellgate.cli.dataset_names import named_dataset
from cellgate.cli.formatting import score
from cellgate.cli.spec_files import read_spec
from cellgate.cli.watching import last
from cellgate.client._sync.client import Client
from cellgate.client.errors import ClientError
from cellgate.client.requests import path_to
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.exit_codes import CommandExit, UsageError
from cellgate.contract.files import write_json
from cellgate.sweep.proposals import propose
from cellgate.sweep.results import Confirmation, SweepResult, Trial, best_trial, failures_of, scores_of
from cellgate.sweep.spec import SweepSpec, check_configs, read_sweep

app = typer.Typer()
LABEL = "sweep"


@app.command()
def sweep(
    context: typer.Context,
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="YAML or JSON: cell, data set, fields that vary.")],
    dataset: Annotated[str | None, typer.Option(help="Id or name of the data set; replaces the file's.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write the whole result into, as JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Try configs of one cell, choose on dev, and confirm the winner on seeds that did not choose it.

    Every trial is a job of its own. A sweep that is started again after an interruption finds its finished runs and
    goes on from there. Exit code 1 when no trial or no confirming seed succeeds.
    """
    body = read_spec(spec)
    wanted = read_sweep({**body, "dataset": dataset} if dataset else body, where=str(spec))
    settings = propose(wanted)
    configs = check_configs(wanted, settings)
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    console = Console(quiet=True) if as_json else terminal()
    with client_of(context) as client:
        found = _run(client, wanted, settings, configs, console)
    if out is not None:
        write_json(out, found.model_dump(mode="json"))
    tables.print_json(found) if as_json else _show(console, found)
    if found.confirmation is None or found.confirmation.dev is None:
        raise typer.Exit(CommandExit.FAILED)


def _run(
    client: Client,
    spec: SweepSpec,
    settings: Sequence[dict[str, Any]],
    configs: Sequence[dict[str, Any]],
    console: Console,
) -> SweepResult:
    dataset = named_dataset(client, spec.dataset)
    jobs: list[JobAnswer] = []
    with _cancelled_with(client, jobs):
        for number, config in enumerate(configs, start=1):
            jobs.append(_submit(client, spec, dataset, config, spec.seeds))
            _name(client, spec, jobs[-1], f"trial {number}")
        trials = _trials(client, spec, settings, jobs, console)
        winner = best_trial(trials)
        if winner is None:
            return SweepResult(spec=spec, trials=trials, winner=None, config=None, confirmation=None)
        config = configs[winner.number - 1]
        jobs.append(_submit(client, spec, dataset, config, spec.confirm_seeds))
        _name(client, spec, jobs[-1], "confirmed")
        confirmation = _confirmation(client, spec, jobs[-1])
    return SweepResult(spec=spec, trials=trials, winner=winner.number, config=config, confirmation=confirmation)


@contextmanager
def _cancelled_with(client: Client, jobs: Sequence[JobAnswer]) -> Iterator[None]:
    """Cancel what has not ended when the sweep is interrupted: started again, it would submit the same once more."""
    try:
        yield
    except KeyboardInterrupt:
        for job in jobs:
            # Those that have ended refuse.
            with suppress(ClientError):
                client.act("cancel", "jobs", job.id)
        cancelled = f"interrupted: what has not ended of {len(jobs)} jobs is cancelled"
        complain(f"{cancelled}; the same command again reuses the others")
        raise


def _trials(
    client: Client,
    spec: SweepSpec,
    settings: Sequence[dict[str, Any]],
    jobs: Sequence[JobAnswer],
    console: Console,
) -> list[Trial]:
    trials = []
    for number, job in enumerate(jobs, start=1):
        runs = _ended(client, job)
        dev = scores_of(runs, "dev", spec.score)
        trial = Trial(number=number, settings=settings[number - 1], job=job.id, dev=dev, failures=failures_of(runs))
        trials.append(trial)
        console.print(f"Trial {number} of {len(jobs)}: {_told(trial, spec)}", markup=False, soft_wrap=True)
    return trials


def _confirmation(client: Client, spec: SweepSpec, job: JobAnswer) -> Confirmation:
    runs = _ended(client, job)
    return Confirmation(
        job=job.id,
        dev=scores_of(runs, "dev", spec.score),
        gate=scores_of(runs, "gate", spec.score),
        failures=failures_of(runs),
    )


def _submit(client: Client, spec: SweepSpec, dataset: str, config: dict[str, Any], seeds: Sequence[int]) -> JobAnswer:
    return client.submit_job({"cell": spec.cell, "dataset": dataset, **config, "seeds": list(seeds)})


def _name(client: Client, spec: SweepSpec, job: JobAnswer, title: str) -> None:
    client.change("jobs", job.id, {"name": f"{spec.name}, {title}", "labels": {LABEL: spec.name}})


def _ended(client: Client, job: JobAnswer) -> list[RunAnswer]:
    """Return the job's runs with their results, once all have ended."""
    answers = client.follow(path_to("jobs", job.id), JobAnswer, ended=lambda answer: answer.state.terminal)
    return [client.run(run.id) for run in last(answers).runs]


def _told(trial: Trial, spec: SweepSpec) -> str:
    values = ", ".join(f"{path} {value}" for path, value in trial.settings.items())
    came = f"{spec.score} {trial.dev.as_text()}" if trial.dev is not None else "; ".join(trial.failures)
    return f"{values}: {came}"


def _show(console: Console, found: SweepResult) -> None:
    spec = found.spec
    rows = tables.table("trial", *spec.search, spec.score, "job", numbers=("trial", spec.score))
    ranked = sorted(found.trials, key=lambda trial: -trial.dev.mean if trial.dev is not None else 1.0)
    for trial in ranked:
        values = [str(trial.settings[path]) for path in spec.search]
        rows.add_row(str(trial.number), *values, score(None if trial.dev is None else trial.dev.mean), trial.job)
    console.print(rows)
    for line in _conclusion(found):
        console.print(line, markup=False, soft_wrap=True)


def _conclusion(found: SweepResult) -> list[str]:
    winner = next((trial for trial in found.trials if trial.number == found.winner), None)
    if winner is None or winner.dev is None or found.confirmation is None:
        return ["No trial succeeded: `cellgate show JOB` says why."]
    chosen = (
        f"Chosen out of {len(found.trials)}: trial {winner.number}, {found.spec.score} {winner.dev.as_text()} on dev."
    )
    confirmed = found.confirmation
    if confirmed.dev is None or confirmed.gate is None:
        return [chosen, f"Not confirmed: {'; '.join(confirmed.failures)}"]
    seeds = ", ".join(map(str, found.spec.confirm_seeds))
    reached = f"{confirmed.dev.as_text()} on dev, {confirmed.gate.as_text()} on gate"
    recorded = f"`policy: {{trials: {len(found.trials)}}}` in an experiment with this config puts the search on record."
    return [chosen, f"Seeds {seeds}, which did not choose it: {reached}.", recorded]
