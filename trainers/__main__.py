"""The command line of the trainers.

`python -m trainers CELL --spec SPEC.json --out DIR [--resume CHECKPOINT] [--heartbeat S]` runs one cell, for machines;
it starts without the libraries of the other commands. People type `cellgate trainers …`, which an installed wheel has
too. Every other command is in `trainers.commands`; `--help` lists them all.

Exit codes: see cellgate/contract/exit_codes.py; those of a command for people are in its --help.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cellgate.contract.cells import CELLS
from cellgate.contract.endings import quiet_endings

CELL_OF = {name: entry.cell for entry in CELLS for name in (entry.cell.value, entry.name)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one cell or one command for people; return the exit code.

    Raises:
        SystemExit: The arguments of a cell are wrong, or its help was asked for.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and given[0] in CELL_OF:
        return _run_cell(given[0], given[1:])
    # Only people wait for it: the library that draws their help takes as long to import as all of this.
    from trainers.commands.app import run_command

    return run_command(given)


def _run_cell(name: str, arguments: Sequence[str]) -> int:
    # Here: until now an interruption is quiet.
    from trainers.heartbeat_pipe import watch_heartbeat
    from trainers.run_cell import run_cell

    cell = CELL_OF[name]
    parser = argparse.ArgumentParser(prog=f"cellgate trainers {name}", description=f"Run cell {cell.value}.")
    parser.add_argument("--spec", type=Path, required=True, help="JSON file: what to do")
    parser.add_argument("--out", type=Path, required=True, help="folder for everything that comes out")
    parser.add_argument("--resume", type=Path, help="checkpoint folder to go on from, perhaps another run's")
    parser.add_argument(
        "--heartbeat",
        type=float,
        metavar="TIMEOUT_S",
        help="end when no line comes on standard input for so many seconds",
    )
    parsed = parser.parse_args(arguments)
    if parsed.heartbeat is not None:
        watch_heartbeat(parsed.heartbeat)
    return run_cell(cell, spec_path=parsed.spec, out=parsed.out, resume=parsed.resume)


if __name__ == "__main__":
    with quiet_endings():
        sys.exit(main())
