"""The command line of the trainers: `python -m trainers <cell> --spec spec.json --out DIR`.

| command | what it does |
|---|---|
| prepare, preflight, transformer (51), gnn (52), fusion (53), aggregation (54) | run one cell into a folder |
| generate --functions N --seed S --out FILE | write labelled C functions for a demo or a test |
| graph FILE.c --png out.png [--all], graph FILE.c --json | show the graph of one function |
| bundle pack …, bundle check BUNDLE | make a bundle of finished runs; verify one |
| predict BUNDLE FILE… | score the functions of C and C++ files |
| report DIR --html FILE | cell 54's report in DIR as one HTML file |
| verify DIR | weigh again what cell 54 has weighed in DIR, from the predictions; exit code 3 when anything differs |
| schema spec, schema result, schema report, schema bundle | print a JSON Schema |

Exit codes: see cellgate/contract/exit_codes.py; those of predict are in its --help.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cellgate.contract.cells import ANY_SPEC, Cell
from cellgate.contract.errors import SpecError, TrainerError
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.files import write_bytes
from trainers.bundle.command import add_commands, run_bundle, run_predict
from trainers.heartbeat_pipe import watch_heartbeat
from trainers.run_cell import run_cell

CELLS = {name: cell for cell in Cell for name in (cell.value, cell.label)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit code."""
    parsed = _parser().parse_args(arguments)
    match parsed.command:
        case "generate":
            return _generate(parsed.out, functions=parsed.functions, seed=parsed.seed)
        case "graph":
            return _show_graph(parsed.file, png=parsed.png, every_node=parsed.all, as_json=parsed.json)
        case "bundle":
            return run_bundle(parsed)
        case "predict":
            return run_predict(parsed)
        case "report":
            return _write_page(parsed.folder, html=parsed.html)
        case "verify":
            return _verify(parsed.folder)
        case "schema":
            return _print_schema(parsed.of)
        case _:
            if parsed.heartbeat is not None:
                watch_heartbeat(parsed.heartbeat)
            return run_cell(CELLS[parsed.command], spec_path=parsed.spec, out=parsed.out, resume=parsed.resume)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainers", description="Train and prepare; one process, one run.")
    commands = parser.add_subparsers(dest="command", required=True)
    for cell in Cell:
        number = [cell.value] if cell.value != cell.label else []
        command = commands.add_parser(cell.label, aliases=number, help=f"run cell {cell.value}")
        command.add_argument("--spec", type=Path, required=True, help="JSON file: what to do")
        command.add_argument("--out", type=Path, required=True, help="folder for everything that comes out")
        command.add_argument("--resume", type=Path, help="checkpoint folder to go on from, perhaps another run's")
        command.add_argument(
            "--heartbeat",
            type=float,
            metavar="TIMEOUT_S",
            help="end when no line comes on standard input for so many seconds",
        )
    generate = commands.add_parser("generate", help="write labelled C functions as JSONL")
    generate.add_argument("--functions", type=int, default=6_000)
    generate.add_argument("--seed", type=int, default=0)
    generate.add_argument("--out", type=Path, required=True)
    graph = commands.add_parser("graph", help="show the graph of one C or C++ function")
    graph.add_argument("file", type=Path, metavar="FILE", help="its whole text is one function, as in prepare")
    graph.add_argument("--png", type=Path, help="draw statements, control flow and data flow")
    graph.add_argument("--all", action="store_true", help="draw every node, with syntax and token order")
    graph.add_argument("--json", action="store_true", help="print nodes and edges in words")
    add_commands(commands)
    report = commands.add_parser("report", help="write cell 54's report as one HTML file")
    report.add_argument("folder", type=Path, metavar="DIR", help="a finished run's, with its report.json")
    report.add_argument("--html", type=Path, metavar="FILE", help="default: report.html in DIR")
    verify = commands.add_parser("verify", help="weigh again what cell 54 has weighed")
    verify.add_argument("folder", type=Path, metavar="DIR", help="a finished run's, with its spec.json")
    schema = commands.add_parser("schema", help="print a JSON Schema")
    schema.add_argument("of", choices=["spec", "result", "report", "bundle"])
    return parser


def _generate(out: Path, *, functions: int, seed: int) -> int:
    from trainers.demo_data.generator import write_jsonl

    write_jsonl(out, functions=functions, seed=seed)
    return ExitCode.SUCCESS


def _show_graph(file: Path, *, png: Path | None, every_node: bool, as_json: bool) -> int:
    from trainers.data.graphs.picture import draw
    from trainers.data.graphs.view import graph_document, read_function, view_of

    try:
        if png is None and not as_json:
            raise SpecError("graph: nothing to do; give --png out.png, --json, or both")
        source = read_function(file)
        if png is not None:
            draw(view_of(source), png, every_node=every_node)
    except TrainerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if as_json:
        print(json.dumps(graph_document(source), indent=2, ensure_ascii=False))
    return ExitCode.SUCCESS


def _write_page(folder: Path, *, html: Path | None) -> int:
    from cellgate.contract.artifacts import REPORT_NAME
    from cellgate.contract.report import read_report
    from trainers.report.page import render

    target = html or folder / "report.html"
    try:
        report = read_report(folder / REPORT_NAME)
    except (OSError, ValueError) as error:
        print(f"{folder / REPORT_NAME}: no report of cell 54: {error}", file=sys.stderr)
        return ExitCode.DATA_ERROR
    try:
        write_bytes(target, render(report).encode())
    except OSError as error:
        print(f"{target}: cannot be written to ({error}); check --html", file=sys.stderr)
        return ExitCode.BAD_SPEC
    print(target)
    return ExitCode.SUCCESS


def _verify(folder: Path) -> int:
    from trainers.evaluation.verify import verify

    try:
        verify(folder)
    except TrainerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{folder}: evidence and report come out the same, byte for byte")
    return ExitCode.SUCCESS


def _print_schema(of: str) -> int:
    match of:
        case "result":
            from cellgate.contract.results import result_schema

            schema = result_schema()
        case "report":
            from cellgate.contract.report import report_schema

            schema = report_schema()
        case "bundle":
            from cellgate.contract.bundle import bundle_schema

            schema = bundle_schema()
        case _:
            schema = ANY_SPEC.json_schema()
    print(json.dumps(schema, indent=2))
    return ExitCode.SUCCESS


if __name__ == "__main__":
    sys.exit(main())
