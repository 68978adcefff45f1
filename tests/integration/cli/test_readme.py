"""The commands of the README's first experiment, as they stand there, up to the work of the models."""

import re
import shlex
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
