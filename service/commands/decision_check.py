"""`python -m service.commands.decision_check`: recompute decisions; `cellgate decision verify` hands over to it.

Imports the rules alone, so that no extra is needed to check a decision.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from cellgate.contract.decision import StoredDecisions
from cellgate.contract.exit_codes import CommandExit
from cellgate.contract.identifiers import attempt_path
from cellgate.contract.processes import module_command, module_environment
from cellgate.contract.visible import visible
from service.domain.decision.verify import DecisionSources, decision_differences


def check_decisions(artifacts: Annotated[Path | None, typer.Option()] = None) -> None:
    """Read `StoredDecisions` as JSON from standard input and print the differences; exit code 6 if there are any.

    Args:
        artifacts: Artifact root; given: the trainers weigh the stored predictions again as well.
    """
    stored = StoredDecisions.model_validate_json(sys.stdin.buffer.read())
    equal = _recompute(stored)
    if artifacts is not None:
        for one in stored.evaluations:
            equal &= _weighs_the_same(artifacts / attempt_path(one.run, one.attempt))
    raise typer.Exit(CommandExit.SUCCESS if equal else CommandExit.DIFFERS)


def _recompute(stored: StoredDecisions) -> bool:
    """Recompute every decision and print the differences; return whether there are none."""
    sources = DecisionSources(gate=stored.gate, policy=stored.policy, results=stored.results)
    equal = True
    for decision in stored.decisions:
        found = decision_differences(decision, sources)
        equal &= not found
        verdict = "differs from what its evidence gives" if found else "computed again is the same, byte for byte"
        print(f"The {decision.stage} decision, {decision.outcome}, {verdict}.")
        for difference in found:
            typer.secho(visible(f"  · {difference}"), fg="red")
    # Before the trainers write to the same output.
    sys.stdout.flush()
    return equal


def _weighs_the_same(folder: Path) -> bool:
    """Let the trainers evaluate the predictions again, with their output shown; return whether all is equal."""
    command = module_command("trainers", "verify", str(folder))
    return subprocess.run(command, env=module_environment(os.environ), check=False).returncode == 0


if __name__ == "__main__":
    typer.run(check_decisions)
