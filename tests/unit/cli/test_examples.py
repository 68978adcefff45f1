"""Every command has examples in its help, and each of them is a command that can be typed."""

import os
import shlex
from importlib import import_module

import pytest
from typer.testing import CliRunner

from cellgate.contract.command_examples import EXAMPLES
from scripts.write_cli_reference import OF_TRAINERS, commands

# Their help is argparse's, and their options are few.
OF_WORKERS = {"run-worker", "run-reconciler", "health"}
COMMANDS = commands()
# The same commands under the name that their process gives them.
COMMANDS |= {f"trainers {there}": COMMANDS[here] for here, there in OF_TRAINERS.items()}
TYPED = [(words, example) for words, examples in EXAMPLES.items() for example in examples]


def test_every_command_has_examples_and_no_example_is_of_none() -> None:
    assert set(COMMANDS) - set(EXAMPLES) == set()
    assert set(EXAMPLES) - set(COMMANDS) == OF_WORKERS


@pytest.mark.parametrize(("words", "example"), TYPED, ids=[example for _, example in TYPED])
def test_an_example_can_be_typed(words: str, example: str) -> None:
    typed = shlex.split(example.removeprefix("source <(").removesuffix(")").partition(" >")[0])
    typed = typed[next(place for place, word in enumerate(typed) if "=" not in word) :]
    assert typed[0] == "cellgate"
    if words in OF_WORKERS:
        return
    first = words.split()
    rest = typed[1:]
    # `show` may be left out.
    for word in first:
        if rest[0] == word:
            rest = rest[1:]
        else:
            assert word in ("show", "trainers", "pack")
    if rest[:1] == ["pack-local"]:
        rest = rest[1:]

    COMMANDS[words].make_context(words, rest)


def test_help_ends_with_the_examples() -> None:
    app = import_module("service.commands.app").app
    shown = CliRunner().invoke(app, ["backup", "-h"], env={**os.environ, "COLUMNS": "100"}).output
    assert shown.rstrip().endswith("cellgate backup cellgate.backup")
    assert "Examples:" in shown
