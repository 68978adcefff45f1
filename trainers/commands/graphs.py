"""`graph` and `generate`: look at the graph of a function, and make functions to look at."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cellgate.contract.errors import SpecError
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.visible import visible_json
from trainers.commands.outcome import exit_on_trainer_error, exit_when_not_writable


def graph(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File whose whole text is one function, as in prepare.")],
    png: Annotated[Path | None, typer.Option(help="Draw statements, control flow and data flow.")] = None,
    every_node: Annotated[bool, typer.Option("--all", help="Draw every node, with syntax and token order.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print nodes and edges as JSON.")] = False,
) -> None:
    """Show the graph of one C or C++ function."""
    from trainers.data.pictures.picture import draw
    from trainers.data.pictures.view import graph_document, read_function, view_of

    with exit_on_trainer_error():
        if png is None and not as_json:
            raise SpecError("graph: nothing to do; give --png out.png, --json, or both")
        source = read_function(file)
        if png is not None:
            draw(view_of(source), png, every_node=every_node)
    if as_json:
        document = json.dumps(graph_document(source), indent=2, ensure_ascii=False)
        sys.stdout.write(visible_json(document) + "\n")


def generate(
    out: Annotated[Path, typer.Option(help="File to write.")],
    functions: Annotated[int, typer.Option(help="Number of functions.")] = 6_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same functions.")] = 0,
) -> None:
    """Write labelled C functions as JSONL, for a demo or a test.

    Exit codes: 0 written; 2 the number is impossible, or the file cannot be written.
    """
    from trainers.demo_data.generator import write_jsonl

    with exit_on_trainer_error(), exit_when_not_writable(out, ExitCode.BAD_SPEC):
        write_jsonl(out, functions=functions, seed=seed)
