"""`cellgate doctor`: check everything that the service needs, whether it runs or not, and say what to do."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cellgate.contract.exit_codes import CommandExit

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database, the artifacts and uploads.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, folders, database, broker, workers and clocks, and say what to do.

    Exit codes: 0 nothing keeps the service from working; 11 something does.
    """
    from service.commands.doctor_checks import examine

    findings = examine(data_dir)
    well = all(finding.status != "fail" for finding in findings)
    if as_json:
        print(json.dumps({"ok": well, "checks": [vars(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            mark = typer.style(MARKS[finding.status], fg=COLOURS[finding.status])
            print(f"{mark}  {finding.check}: {finding.detail}")
            if finding.fix:
                print(f"      → {finding.fix}")
    raise typer.Exit(CommandExit.SUCCESS if well else CommandExit.UNUSABLE)
