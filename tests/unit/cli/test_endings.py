"""How commands end when a person stops them, or stops reading their output."""

import os
import subprocess
import sys

import pytest

# Ctrl-C at the moment when this library is imported.
STOPPED = """
import runpy, sys
class Stop:
    def find_spec(self, name, *_):
        if name == {library!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop())
sys.argv[1:] = {arguments!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
# As the module runs whose function is replaced by one that a person interrupts.
INTERRUPTED = """
import signal, sys
from cellgate.contract.endings import quiet_endings
with quiet_endings():
    print("begun", flush=True)
    signal.raise_signal(signal.SIGINT)
"""


def ended(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "library", "arguments"),
    [
        ("cellgate", "typer", ["ls"]),
        ("cellgate", "cellgate.cli.experiments", ["ls"]),
        ("service", "service.commands.app", ["up"]),
        ("service", "service.local_stack", ["up", "--no-worker"]),
        ("worker", "worker.roles", ["run"]),
        ("trainers", "trainers.run_cell", ["51", "--spec", "spec.json", "--out", "out"]),
        ("trainers", "trainers.commands.app", ["predict"]),
    ],
)
def test_ctrl_c_while_a_command_is_imported_ends_it_without_a_traceback(
    module: str, library: str, arguments: list[str]
) -> None:
    stopped = ended(STOPPED.format(module=module, library=library, arguments=arguments))
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (130, "", "")


def test_ctrl_c_in_a_command_keeps_what_it_has_printed() -> None:
    stopped = ended(INTERRUPTED)
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (130, "begun\n", "")


@pytest.mark.parametrize("arguments", [["whoami", "--help"], ["nothing-of-this-name"]])
def test_a_closed_pipe_ends_a_command_without_a_word(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "cellgate", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
