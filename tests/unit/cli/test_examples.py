"""Every command has examples in its help, and each of them is a command that can be typed."""

import os
import shlex
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from cellgate.cli.commands import ENTRIES, load_command
from cellgate.contract.command_examples import EXAMPLES

ELSEWHERE = ("service.commands.app", "trainers.commands.app")
# Their help is argparse's, and their options are few.
OF_WORKERS = {"run-worker", "run-reconciler", "health"}


def leaves(command: Any, *words: str) -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, *words, name)
    if not hasattr(command, "commands"):
        yield " ".join(words), command


def commands() -> dict[str, Any]:
    """Return every command by its words; what is handed over as the app has it that runs it."""
    handed_over = {name for name, entry in ENTRIES.items() if entry.module == "local"}
    found = dict(leaf for name in set(ENTRIES) - handed_over for leaf in leaves(load_command(name), name))
    for module in ELSEWHERE:
        of_app = leaves(typer.main.get_command(import_module(module).app))
        found |= {f"trainers {words}" if "trainers" in module else words: command for words, command in of_app}
    own = {words.removeprefix("trainers ") for words in found if words.startswith("trainers ")} & set(EXAMPLES)
    found |= {words: found[f"trainers {words}"] for words in own - set(found)}
    return found | {
        "bundle check": found["trainers bundle check"],
        "bundle onnx": found["trainers bundle onnx"],
        "bundle pack-local": found["trainers bundle pack"],
    }


COMMANDS = commands()
TYPED = [(words, example) for words, examples in EXAMPLES.items() for example in examples]


def test_every_command_has_examples_and_no_example_is_of_none() -> None:
    examples = set(EXAMPLES) | {f"trainers {words}" for words in EXAMPLES}
    assert set(COMMANDS) - examples == set()
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
