"""`cellgate gate` and `cellgate decision`: show, waive, overrule, verify."""

import os
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.markup import escape
from typer.core import TyperGroup

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, ExperimentArgument, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.handover import require_extra
from cellgate.client._sync.client import Client
from cellgate.contract.api.experiments import ExperimentAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.decision import AttemptName, DecisionAnswer, StoredDecisions
from cellgate.contract.exit_codes import CommandExit
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.options import SINGLES
from cellgate.contract.processes import module_command, module_environment
from cellgate.contract.results import RunResult
from cellgate.contract.states import RunState
from cellgate.contract.visible import visible

EVALUATION = 54
GATE_CODES = {"pass": CommandExit.SUCCESS, "fail": CommandExit.FAILED, "pending": CommandExit.UNDECIDED}
DECISIONS = TypeAdapter(list[DecisionAnswer])

ReasonOption = Annotated[str, typer.Option(help="Reason, kept on record; 10 characters or more.")]


class ShowFirst(TyperGroup):
    """A group whose command `show` may be left out."""

    # The library keeps the types of these to itself.
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the named command, else `show`."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


app = typer.Typer()
gate_app = typer.Typer(
    cls=ShowFirst, no_args_is_help=True, help="Show the gate of an experiment, or waive a check of it."
)
decision_app = typer.Typer(
    cls=ShowFirst, no_args_is_help=True, help="Show, overrule or verify the decisions of an experiment."
)
app.add_typer(gate_app, name="gate")
app.add_typer(decision_app, name="decision")


@gate_app.command("show")
def show_gate(context: typer.Context, experiment: ExperimentArgument, as_json: AsJson = False) -> None:
    """Show the gate's report; exit code 0 when it passed, 1 when not, 5 while it is pending."""
    with client_of(context) as client:
        report = client.gate(client.find(experiment, "experiments").id)
    if as_json:
        tables.print_json(report)
    else:
        tables.show_gate(terminal(), report)
    raise typer.Exit(GATE_CODES[report.verdict])


@gate_app.command()
def waive(
    context: typer.Context,
    experiment: ExperimentArgument,
    check: Annotated[str, typer.Argument(help="Name of a check that failed.")],
    reason: ReasonOption,
) -> None:
    """Waive a failed check; exit code 0 when the gate passes now, else 1."""
    with client_of(context) as client:
        report = client.waive(client.find(experiment, "experiments").id, check=check, reason=reason)
    tables.show_gate(terminal(), report)
    raise typer.Exit(GATE_CODES[report.verdict])


@decision_app.command("show")
def show_decision(context: typer.Context, experiment: ExperimentArgument, as_json: AsJson = False) -> None:
    """Show the last decision with its evidence and overrulings; exit code 5 while there is none."""
    with client_of(context) as client:
        taken = _decisions(client, client.find(experiment, "experiments").id)[-1]
    if as_json:
        tables.print_json(taken)
        return
    console = terminal()
    tables.show_decision(console, taken)
    for one in taken.overrulings:
        shipped = one.option or one.outcome
        console.print(f"Overruled by {escape(one.by)}: [bold]{shipped}[/], because {escape(one.reason)}")


@decision_app.command()
def overrule(
    context: typer.Context,
    experiment: ExperimentArgument,
    outcome: Annotated[str, typer.Argument(help="transformer, gnn, ensemble, fusion or improve.")],
    reason: ReasonOption,
) -> None:
    """Record your own answer beside the last decision, which stays as it was computed."""
    named = {"outcome": "single", "option": outcome} if outcome in SINGLES else {"outcome": outcome}
    with client_of(context) as client:
        kept = client.overrule(client.find(experiment, "experiments").id, {**named, "reason": reason})
    terminal().print(f"On record beside the {kept.stage} decision: {kept.option or kept.outcome}.", markup=False)


@decision_app.command()
def verify(
    context: typer.Context,
    experiment: ExperimentArgument,
    artifacts: Annotated[
        Path | None,
        typer.Option(help="Artifact root of the server, on this machine: evaluate the stored predictions again too."),
    ] = None,
) -> None:
    """Recompute every decision; exit code 0 when all bytes are equal, 6 when not, 5 if there is none."""
    if artifacts is not None:
        require_extra("worker", "cellgate decision verify --artifacts")
    with client_of(context) as client:
        experiment = client.find(experiment, "experiments").id
        decisions = _decisions(client, experiment)
        stored = _stored(client, client.experiment(experiment), decisions)
    # The rules belong to the server: they run in a process of their own.
    options = [] if artifacts is None else ["--artifacts", str(artifacts)]
    done = subprocess.run(
        module_command("service.commands.decision_check", *options),
        input=stored.model_dump_json().encode(),
        env=module_environment(os.environ),
        check=False,
    )
    raise typer.Exit(done.returncode)


def _decisions(client: Client, experiment: str) -> list[DecisionAnswer]:
    """Return the decisions, at least one; else the command ends."""
    taken = DECISIONS.validate_python(client.json(f"/v1/experiments/{experiment}/decisions"))
    if not taken:
        state = client.experiment_status(experiment).state
        typer.echo(visible(f"no decision has been taken yet: experiment {experiment} is {state}"), err=True)
        raise typer.Exit(CommandExit.UNDECIDED)
    return taken


def _stored(client: Client, answer: ExperimentAnswer, decisions: list[DecisionAnswer]) -> StoredDecisions:
    runs = _finished_runs(client, answer)
    return StoredDecisions(
        decisions=decisions,
        gate=client.gate(answer.id),
        policy=ExperimentSpec.model_validate(answer.spec).policy,
        results=[RunResult.model_validate(run.result) for run in runs if run.result is not None],
        evaluations=[AttemptName(run=run.id, attempt=run.attempt) for run in runs if run.cell == EVALUATION],
    )


def _finished_runs(client: Client, answer: ExperimentAnswer) -> list[RunAnswer]:
    return [client.run(run.id) for job in answer.jobs for run in job.runs if run.state is RunState.SUCCEEDED]
