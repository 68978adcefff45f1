"""Commands about an experiment's gate and decisions: show, waive, overrule, verify."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.markup import escape
from typer.core import TyperGroup

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.trainers import require_trainers
from cellgate.client.client import Client
from cellgate.contract.api.experiments import ExperimentAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.decision import DecisionAnswer
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.identifiers import attempt_path
from cellgate.contract.options import SINGLES
from cellgate.contract.results import RunResult
from cellgate.contract.states import RunState
from service.domain.decision.verify import Sources, differences

AGGREGATION = 54
NO_SUCCESS, UNDECIDED, DIFFERS = 1, 5, 6
GATE_CODES = {"pass": 0, "fail": NO_SUCCESS, "pending": UNDECIDED}
DECISIONS = TypeAdapter(list[DecisionAnswer])

ExperimentId = Annotated[str, typer.Argument(metavar="ID", help="Id of an experiment (exp_…).")]
Reason = Annotated[str, typer.Option(help="Stays on record and is shown with it; 10 characters or more.")]


class ShowFirst(TyperGroup):
    """A group whose command `show` may be left out."""

    # The library keeps the types of these to itself.
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is named, or `show`."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


gate_app = typer.Typer(cls=ShowFirst, no_args_is_help=True, help="The gate of an experiment: show ID, waive.")
decision_app = typer.Typer(cls=ShowFirst, no_args_is_help=True, help="Its decisions: show ID, overrule, verify.")


@gate_app.command("show")
def show_gate(context: typer.Context, experiment: ExperimentId, as_json: AsJson = False) -> None:
    """Show the gate's report; exit code 0 when it passed, 1 when not, 5 while it is pending."""
    with client_of(context) as client:
        report = client.gate(experiment)
    if as_json:
        print(report.model_dump_json(indent=2))
    else:
        tables.show_gate(tables.terminal(), report)
    raise typer.Exit(GATE_CODES[report.verdict])


@gate_app.command()
def waive(
    context: typer.Context,
    experiment: ExperimentId,
    check: Annotated[str, typer.Argument(help="Name of a check that failed.")],
    reason: Reason,
) -> None:
    """Let a failed check pass; exit code 0 when the gate passes now, else 1."""
    with client_of(context) as client:
        report = client.waive(experiment, check=check, reason=reason)
    tables.show_gate(tables.terminal(), report)
    raise typer.Exit(GATE_CODES[report.verdict])


@decision_app.command("show")
def show_decision(context: typer.Context, experiment: ExperimentId, as_json: AsJson = False) -> None:
    """Show the last decision with its evidence, and what people put beside it; exit code 5 while there is none."""
    with client_of(context) as client:
        taken = _decisions(client, experiment)[-1]
    if as_json:
        print(taken.model_dump_json(indent=2))
        return
    console = tables.terminal()
    tables.show_decision(console, taken)
    for one in taken.overrulings:
        shipped = one.option or one.outcome
        console.print(f"Overruled by {escape(one.by)}: [bold]{shipped}[/], because {escape(one.reason)}")


@decision_app.command()
def overrule(
    context: typer.Context,
    experiment: ExperimentId,
    outcome: Annotated[str, typer.Argument(help="transformer, gnn, ensemble, fusion or improve.")],
    reason: Reason,
) -> None:
    """Put your own answer beside the last decision, which stays as it was computed."""
    named = {"outcome": "single", "option": outcome} if outcome in SINGLES else {"outcome": outcome}
    with client_of(context) as client:
        kept = client.overrule(experiment, {**named, "reason": reason})
    tables.terminal().print(f"On record beside the {kept.stage} decision: {kept.option or kept.outcome}.", markup=False)


@decision_app.command()
def verify(
    context: typer.Context,
    experiment: ExperimentId,
    artifacts: Annotated[
        Path | None,
        typer.Option(help="The server's artifact root, on this machine: weigh the stored predictions again as well."),
    ] = None,
) -> None:
    """Compute every decision again from what is stored; exit code 0 when all bytes are equal, 6 when not, 5 if none."""
    with client_of(context) as client:
        decisions = _decisions(client, experiment)
        answer = client.experiment(experiment)
        runs = _finished_runs(client, answer)
        sources = _sources(client, answer, runs)
    console = tables.terminal()
    wrong = False
    for decision in decisions:
        found = differences(decision, sources)
        wrong = wrong or bool(found)
        says = "differs from what its evidence gives" if found else "computed again is the same, byte for byte"
        console.print(f"The {decision.stage} decision, {decision.outcome}, {says}.", markup=False)
        for difference in found:
            console.print(f"  · {difference}", style="red", markup=False)
    if artifacts is not None:
        folders = [artifacts / attempt_path(run.id, run.attempt) for run in runs if run.cell == AGGREGATION]
        equal = [_weighs_the_same(folder) for folder in folders]
        wrong = wrong or not all(equal)
    raise typer.Exit(DIFFERS if wrong else 0)


def _weighs_the_same(folder: Path) -> bool:
    """Let a process of the trainers weigh again and say what it finds; return whether all is equal."""
    require_trainers("weighing again")
    command = [sys.executable, "-m", "trainers", "verify", str(folder)]
    return subprocess.run(command, check=False).returncode == 0


def _decisions(client: Client, experiment: str) -> list[DecisionAnswer]:
    """Return the decisions, at least one; else the command ends."""
    taken = DECISIONS.validate_python(client.json(f"/v1/experiments/{experiment}/decisions"))
    if not taken:
        state = client.experiment_status(experiment).state
        typer.echo(f"no decision has been taken yet: experiment {experiment} is {state}", err=True)
        raise typer.Exit(UNDECIDED)
    return taken


def _finished_runs(client: Client, answer: ExperimentAnswer) -> list[RunAnswer]:
    return [client.run(run.id) for job in answer.jobs for run in job.runs if run.state is RunState.SUCCEEDED]


def _sources(client: Client, answer: ExperimentAnswer, runs: list[RunAnswer]) -> Sources:
    return Sources(
        gate=client.gate(answer.id),
        policy=ExperimentSpec.model_validate(answer.spec).policy,
        results=[RunResult.model_validate(run.result) for run in runs if run.result is not None],
    )
