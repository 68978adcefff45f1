"""Specs from the command line: fields, name and labels at submission; the spec of what is there; its page."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellgate.cli.yaml_values import yaml_value
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """An experiment of one seed."""
    path = tmp_path / "spec.yaml"
    path.write_text("name: from the file\ndataset: made\nseeds: [0]\nlabels: {team: core, kept: yes-it-is}\n")
    return path


@pytest.mark.usefixtures("ready_dataset")
def test_fields_name_and_labels_of_the_command_line_replace_the_files(
    context: LiveServer, cellgate: Cellgate, spec: Path
) -> None:
    options = ("--set", "seeds=[3, 4]", "--set", "policy.gate_f1=0.8", "--name", "renamed", "--label", "team=other")
    submitted = cellgate("submit", spec, *options, "--json")

    assert submitted.code == 0, submitted.err
    answer: Any = json.loads(submitted.out)
    assert (answer["name"], answer["seeds"]) == ("renamed", [3, 4])
    assert answer["labels"] == {"team": "other", "kept": "yes-it-is"}
    assert answer["spec"]["policy"]["gate_f1"] == 0.8

    shown = yaml_value(cellgate("spec", "show", "renamed").out)
    assert shown == {
        "name": "renamed",
        "dataset": answer["dataset"],
        "labels": answer["labels"],
        "seeds": [3, 4],
        "policy": {"gate_f1": 0.8},
    }
    cellgate("cancel", "renamed")
    context.trainers().work()


@pytest.mark.usefixtures("ready_dataset")
def test_an_unknown_field_of_a_file_is_refused_with_what_may_be_meant(cellgate: Cellgate, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("name: q\ndataset: made\nseed: [0]\ntransformer: {training: {epoch: 3}}\n")

    refused = cellgate("submit", path)

    assert (refused.code, refused.out) == (3, "")
    assert "/seed: there is no such field; did you mean `seeds`?" in refused.err
    assert "/transformer/training/epoch: there is no such field; did you mean `epochs`?" in refused.err


def test_the_address_of_a_page_is_printed(
    context: LiveServer, finished: str, cellgate: Cellgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")

    assert cellgate("open", "finished").out == f"{context.url}/#/experiments/{finished}\n"
    assert cellgate("open", "--print").out == f"{context.url}/#/\n"
    assert opened == [f"{context.url}/#/experiments/{finished}"]
    assert cellgate("open", f"job_{'0' * 26}").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(cellgate: Cellgate, shell: str) -> None:
    script = cellgate("completion", shell)
    assert script.code == 0
    assert f"complete_{shell}" in script.out


def test_a_shell_that_asks_is_answered_with_the_commands(cellgate: Cellgate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_CELLGATE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "cellgate dataset ")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert {"add", "inspect", "ls", "show"} <= set(cellgate("dataset").out.split())


@pytest.mark.parametrize(
    ("arguments", "meant"), [(("sumbit",), "submit"), (("dataset", "lss"), "ls"), (("ls", "--limt"), "--limit")]
)
def test_a_misspelt_command_or_option_is_answered_with_what_may_be_meant(
    cellgate: Cellgate, arguments: tuple[str, ...], meant: str
) -> None:
    refused = cellgate(*arguments)
    assert refused.code == 2
    assert meant in refused.err
