"""Commands that `cellgate` hands over: help, arguments and exit codes are those of the process that runs them."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cellgate", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("token", "new"), "--expires"),
        (("run-worker",), "reconciler"),
        (("bundle", "pack-local"), "--text-weight"),
        # Of the same packages.
        pytest.param(("up",), "--no-worker", marks=pytest.mark.slow),
        pytest.param(("predict",), "--explain", marks=pytest.mark.slow),
        pytest.param(("trainers", "transformer"), "--heartbeat", marks=pytest.mark.slow),
    ],
)
def test_help_is_that_of_the_process(command: tuple[str, ...], shown: str) -> None:
    done = run(*command, "--help")

    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("report", "nowhere", "--local", "--html", "page.html"), 3, "no report of cell 54"),
        (("graph", "nowhere.c", "--json"), 3, "nowhere.c"),
        (("migrate", "--nonsense"), 2, "No such option"),
    ],
)
def test_a_failure_has_the_exit_code_and_the_message_of_the_process(
    arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = run(*arguments)

    assert done.returncode == code, done.stderr
    assert message in done.stderr


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant() -> None:
    done = run("submti")

    assert done.returncode == 2
    assert "submit" in done.stderr
