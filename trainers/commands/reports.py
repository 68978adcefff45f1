"""`report`, `verify` and `schema`: cell 54's report as a page, its recomputation, and the files' JSON Schemas."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cellgate.contract.artifacts import REPORT_NAME
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.files import write_bytes
from trainers.commands.outcome import exit_on_trainer_error

PAGE_NAME = "report.html"


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A finished run of cell 54, with its report.json.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: report.html in DIR.")] = None,
) -> None:
    """Write cell 54's report as one HTML file.

    Exit codes: 0 written; 2 the file cannot be written; 3 there is no report.
    """
    from cellgate.contract.report import read_report
    from trainers.report.page import render

    target = html or folder / PAGE_NAME
    try:
        content = read_report(folder / REPORT_NAME)
    except (OSError, ValueError) as error:
        print(f"{folder / REPORT_NAME}: no report of cell 54: {error}", file=sys.stderr)
        raise typer.Exit(ExitCode.DATA_ERROR) from error
    try:
        write_bytes(target, render(content).encode())
    except OSError as error:
        print(f"{target}: cannot be written to ({error}); check --html", file=sys.stderr)
        raise typer.Exit(ExitCode.BAD_SPEC) from error
    print(target)


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A finished run of cell 54, with its spec.json.")],
) -> None:
    """Compute cell 54's evidence and report again from the predictions, and compare.

    Exit codes: 0 the same, byte for byte; 3 anything differs.
    """
    from trainers.evaluation.verify import verify as verify_run

    with exit_on_trainer_error():
        verify_run(folder)
    print(f"{folder}: evidence and report come out the same, byte for byte")


def schema(of: Annotated[Literal["spec", "result", "report", "bundle"], typer.Argument(metavar="OF")]) -> None:
    """Print the JSON Schema of spec, result, report or bundle."""
    print(json.dumps(_schema(of), indent=2))


def _schema(of: str) -> dict[str, Any]:
    from cellgate.contract.bundle import bundle_schema
    from cellgate.contract.cells import ANY_SPEC
    from cellgate.contract.report import report_schema
    from cellgate.contract.results import result_schema

    schemas = {"result": result_schema, "report": report_schema, "bundle": bundle_schema, "spec": ANY_SPEC.json_schema}
    return schemas[of]()
