"""Every command of `cellgate`: where it is defined, and its line in `cellgate --help`.

A command's module is imported when the command runs, so that `--help` and `--version` need neither httpx nor pydantic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from cellgate.contract.command_examples import add_examples
from cellgate.contract.endings import leave_output
from cellgate.contract.exit_codes import CommandExit


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One command, or one group of commands.

    Args:
        module: Module of `cellgate.cli` whose `app` holds it.
        help: First line of the command's own help; a test keeps both equal.
    """

    module: str
    help: str


EXPERIMENTS, RESULTS = "Experiments and runs", "Results"
DATA, SERVER, LOCAL = "Data sets and bundles", "Server and workers", "On this machine, without a server"
COMMANDS: Mapping[str, Mapping[str, Entry]] = {
    EXPERIMENTS: {
        "submit": Entry(module="experiments", help="Submit an experiment, or one cell."),
        "sweep": Entry(
            module="sweeps",
            help="Try configs of one cell, choose on dev, and confirm the winner on seeds that did not choose it.",
        ),
        "seeds": Entry(module="experiments", help="Add seeds to an experiment that has decided."),
        "watch": Entry(module="experiments", help="Watch an experiment, a job or a data set until it ends."),
        "ls": Entry(module="experiments", help="List the experiments, the newest last."),
        "show": Entry(module="experiments", help="Show the state of an experiment, a job or a run."),
        "runs": Entry(module="runs", help="List runs, over all experiments."),
        "cancel": Entry(module="experiments", help="Cancel the unfinished runs of an experiment, a job or a run."),
        "pause": Entry(
            module="experiments", help="Pause an experiment, a job or a run; running ones save a checkpoint first."
        ),
        "resume": Entry(
            module="experiments",
            help="Queue what is paused of an experiment, a job or a run again, from its checkpoint.",
        ),
        "open": Entry(
            module="opening",
            help="Print the address of a page of the dashboard, and open it in a browser where there is one.",
        ),
        "spec": Entry(module="specs", help="Write a spec to start from, or that of an experiment."),
        "set": Entry(
            module="housekeeping", help="Set the name, note, labels, or archived state of anything that has an id."
        ),
        "rm": Entry(module="housekeeping", help="Delete anything that has an id, with all that belongs to it."),
        "retry": Entry(module="experiments", help="Retry a failed or cancelled run, or every such run of a job."),
    },
    RESULTS: {
        "gate": Entry(module="gate_decision", help="Show the gate of an experiment, or waive a check of it."),
        "decision": Entry(module="gate_decision", help="Show, overrule or verify the decisions of an experiment."),
        "report": Entry(module="results", help="Write an experiment's report as a page, as JSON, or both."),
        "compare": Entry(module="results", help="Compare runs: their differing settings and their metrics."),
        "metrics": Entry(module="results", help="Show a run's curves with their last, lowest and highest value."),
        "logs": Entry(module="output", help="Print a run's output."),
        "events": Entry(module="output", help="List the newest events of an experiment or a run."),
        "artifacts": Entry(module="output", help="List the files that a run has written."),
        "download": Entry(module="output", help="Download a run's file and check its SHA-256."),
    },
    DATA: {
        "dataset": Entry(module="datasets", help="Inspect sources; prepare, list and show data sets."),
        "uploads": Entry(module="housekeeping", help="List the uploaded files, the newest last."),
        "evaluate": Entry(
            module="evaluations",
            help="Judge a bundle, or the scores of any detector, on a data set that it was not trained on.",
        ),
        "bundle": Entry(module="bundles", help="Pack, list, download and check bundles."),
    },
    SERVER: {
        "up": Entry(module="local", help="Run API, worker, reconciler and broker on this machine until Ctrl-C."),
        "serve": Entry(module="local", help="Run the API alone."),
        "run-worker": Entry(module="local", help="Run a worker: claim runs and train them until SIGTERM."),
        "run-reconciler": Entry(
            module="local", help="Run the reconciler: recover lost runs and send webhooks until SIGTERM."
        ),
        "health": Entry(module="local", help="Tell whether the worker or reconciler on this host is well."),
        "migrate": Entry(module="local", help="Bring the database to the newest schema."),
        "backup": Entry(module="local", help="Write database and artifacts to one file, while the server runs."),
        "restore": Entry(module="local", help="Restore a backup into an empty place, and verify it."),
        "du": Entry(module="housekeeping", help="Show what is stored, by kind and owner, as it was measured last."),
        "prune": Entry(
            module="housekeeping",
            help="Delete what is old and what nothing depends on; bundles stay, and what they were packed of.",
        ),
        "doctor": Entry(
            module="local", help="Check settings, folders, database, broker, workers and clocks, and say what to do."
        ),
        "token": Entry(module="local", help="Make, list and revoke tokens in the database."),
        "worker": Entry(module="workers", help="List workers, and let one drain."),
        "queue": Entry(module="runs", help="List the queues: what waits, and who serves them."),
        "audit": Entry(module="audit", help="List or export who did what; for admins."),
        "completion": Entry(module="completion", help="Print what lets a shell complete commands and options."),
        "whoami": Entry(module="audit", help="Show who one is to the server, and what the token allows."),
    },
    LOCAL: {
        "predict": Entry(
            module="local",
            help="Score the functions of C and C++ files with a bundle; exit code 9 when one is above the threshold.",
        ),
        "graph": Entry(module="local", help="Show the graph that the model sees of one function."),
        "generate": Entry(module="local", help="Write labelled C functions for a demo or a test."),
        "verify": Entry(
            module="local",
            help="Evaluate the predictions of a finished run of cell 54 again and compare every byte.",
        ),
        "trainers": Entry(module="local", help="Run one cell without a server, as workers do."),
    },
}
ENTRIES: Mapping[str, Entry] = {name: entry for entries in COMMANDS.values() for name, entry in entries.items()}


class LazyGroup(TyperGroup):
    """The commands of `COMMANDS`; each is imported when it is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for panel, entries in COMMANDS.items():
            for name, entry in entries.items():
                self.add_command(TyperCommand(name, help=entry.help, rich_help_panel=panel))

    # The library keeps the types of these to itself.
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, imported."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_command(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; where nobody reads its output any more, the library would end it with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            leave_output()
            raise typer.Exit(CommandExit.UNREAD) from None


def load_command(name: str) -> Any:
    """Import a command of `COMMANDS` and return it."""
    app = import_module(f"cellgate.cli.{ENTRIES[name].module}").app
    add_examples(app)
    return typer.main.get_group(app).commands[name]
