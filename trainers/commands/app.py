"""The trainers' command line for people, with one help: `cellgate trainers COMMAND`.

What a command needs is imported when it runs: the models' libraries take seconds.
"""

from collections.abc import Sequence

import typer

from cellgate.contract.cells import CELLS
from cellgate.contract.command_examples import add_examples
from trainers.commands.bundles import bundle_app
from trainers.commands.graphs import generate, graph
from trainers.commands.predict import predict
from trainers.commands.reports import report, schema, verify

HELP = "Work with models, bundles, graphs and reports, without a service."
CELL_NAMES = ", ".join(entry.name for entry in CELLS)
EPILOG = (
    "One cell, as workers run it: cellgate trainers CELL --spec SPEC.json --out DIR [--resume CHECKPOINT] "
    f"[--heartbeat S]; CELL is one of {CELL_NAMES}, or the number. Exit codes: 0 success; 2 wrong usage or spec; "
    "3 wrong data; 4 pre-flight failed; 5 collapse; 6 divergence; 7 out of memory; 8 interrupted; 10 disk full; "
    "70 internal error."
)
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=HELP,
    epilog=EPILOG,
)
app.add_typer(bundle_app, name="bundle")
for command in (predict, graph, generate, report, verify, schema):
    app.command()(command)
# Those that only this app has, then those that `cellgate` has as well.
add_examples(app, "trainers")
add_examples(app)


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    try:
        app(args=list(arguments), prog_name="cellgate trainers")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0
