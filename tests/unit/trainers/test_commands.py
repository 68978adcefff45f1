"""The trainers' command line: one help for people, and nothing of it in the way of machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cellgate.contract.cells import CELLS
from cellgate.contract.exit_codes import ExitCode
from trainers.__main__ import main

COMMANDS = ("predict", "bundle", "graph", "generate", "report", "verify", "schema")


def test_the_help_names_every_command_and_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.SUCCESS

    shown = " ".join(capsys.readouterr().out.split())
    assert all(name in shown for name in (*COMMANDS, *(entry.name for entry in CELLS)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_of_its_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == ExitCode.SUCCESS
    assert f"cellgate trainers {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("functions", "out", "named"), [("7", "made.jsonl", "pairs"), ("6", "a-file/made.jsonl", "cannot be written")]
)
def test_functions_that_cannot_be_made_or_written_end_in_one_message(
    functions: str, out: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a-file").write_text("")

    assert main(["generate", "--functions", functions, "--out", str(tmp_path / out)]) == ExitCode.BAD_SPEC
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nonsense"], ["predict"], ["schema", "nonsense"], ["generate", "--functions"]])
def test_wrong_usage_ends_with_the_code_of_a_wrong_spec(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == ExitCode.BAD_SPEC
    assert "Error" in capsys.readouterr().err


@pytest.mark.parametrize("of", ["spec", "result", "report", "bundle"])
def test_every_schema_is_printed_as_json(of: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", of]) == ExitCode.SUCCESS
    assert "$defs" in json.loads(capsys.readouterr().out)


def test_a_cell_starts_without_what_only_people_need(tmp_path: Path) -> None:
    arguments = ["51", "--spec", str(tmp_path / "none.json"), "--out", str(tmp_path / "out")]
    code = f"""
import sys
from trainers.__main__ import main
assert main({arguments!r}) == 2
print(sorted({{"typer", "click", "rich"}} & set(sys.modules)))
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
