"""The commands of the README's first experiment, as they stand there, up to the work of the models."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cellgate.contract.command_examples import EXAMPLES
from scripts.write_cli_reference import commands
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer
from trainers.commands.app import run_command

README = Path(__file__).resolve().parents[3] / "README.md"
FUNCTIONS = "600"
# What needs trained models; their commands are read here, and run elsewhere.
OF_MODELS = ("bundle", "predict")


def walk() -> list[list[str]]:
    """Return the words of each command of the first experiment, in their order."""
    section = README.read_text("utf-8").partition("## A first experiment\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^cellgate .*$", section, flags=re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_every_command_of_the_readme_can_be_typed() -> None:
    known = commands()
    typed = [words for words in walk() if words[0] not in ("up", "gate", "decision")]

    assert {"generate", "dataset", "spec", "submit", "report", "bundle", "predict"} == {words[0] for words in typed}
    for words in typed:
        name = next(" ".join(words[:count]) for count in (2, 1) if " ".join(words[:count]) in EXAMPLES)
        rest = words[len(name.split()) :]
        known[name].make_context(name, rest[: rest.index(">")] if ">" in rest else rest)
    assert (README.parent / "examples" / "copy.c").is_file()


def test_the_first_experiment_of_the_readme_runs_as_it_is_written(
    context: LiveServer, cellgate: Cellgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.data.mkdir(exist_ok=True)
    monkeypatch.chdir(context.data)
    trainers = context.trainers({option: [*f1s, f1s[-1]] for option, f1s in context.trainers().f1s.items()})
    for words in walk():
        if words[0] in ("up", *OF_MODELS) or words[:2] == ["dataset", "inspect"]:
            continue
        if words[0] == "generate":
            assert run_command([*words, "--functions", FUNCTIONS]) == 0
            continue
        command, _, target = " ".join(words).partition(" > ")
        with trainers.at_work():
            done = cellgate(*command.split())
        assert done.code == 0, (words, done.err)
        if target:
            Path(target).write_text(done.out)

    assert len(Path("functions.jsonl").read_text().splitlines()) == int(FUNCTIONS)
    assert "<html" in Path("report.html").read_text()


# What makes a line of the README shorter: one seed, of which no decision that ships is expected.
SHORTENED = {"submit": "--set seeds=[0] --set policy.fusion=never", "pack": "--kind ensemble"}
# `watch` of an experiment that ships nothing, a gate that did not pass, functions above the threshold.
ENDS = {"submit": {0, 20, 21}, "gate": {0, 1}, "predict": {0, 9}}


@pytest.mark.slow
def test_the_whole_first_experiment_runs_in_a_shell_with_real_models(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(README.parent / "examples")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "cellgate").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cellgate "$@"\n')
    (bin_folder / "cellgate").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CELLGATE_")}
    environment |= {"PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONPATH": str(README.parent)}
    with started(tmp_path, environment) as url:
        environment["CELLGATE_SERVER"] = url
        for words in walk()[1:]:
            name = next((one for one in words if one in SHORTENED), "")
            line = re.sub(r"( >|$)", rf" {SHORTENED.get(name, '')}\1", " ".join(["cellgate", *words]), count=1)
            done = subprocess.run(
                ["/bin/sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode in ENDS.get(words[0], {0}), (line, done.stdout, done.stderr)

    assert "<html" in (tmp_path / "report.html").read_text()


@contextmanager
def started(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Yield the address of a `cellgate up` in a folder."""
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["cellgate", "up", "--port", "0"], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 300
        while (found := re.search(r"Cellgate is at (\S+)", log.read_text())) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(log.read_text())
            time.sleep(0.1)
        yield found[1]
    finally:
        process.terminate()
        process.wait(90)
