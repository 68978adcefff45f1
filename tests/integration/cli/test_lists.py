"""What all lists have in common: a line per thing, the newest last, whole ids, no wider than the terminal."""

import json

import pytest

from cellgate.contract.experiment import ExperimentSpec
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer

LISTS = [("ls",), ("runs", "ls"), ("dataset", "ls"), ("worker", "ls"), ("queue", "ls"), ("audit", "ls"), ("uploads",)]


@pytest.fixture(scope="module")
def many(context: LiveServer, ready_dataset: str, finished: str) -> list[str]:
    """Experiments, more than a list shows; the newest has a long name."""
    del finished  # is older
    spec = ExperimentSpec(queue="lonely")
    return [context.experiment(ready_dataset, f"number {n}" if n < 24 else "n" * 200, spec) for n in range(25)]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("command", [*LISTS, ("bundle", "ls")])
def test_a_list_is_no_wider_than_the_terminal_and_cuts_no_id(
    cellgate: Cellgate, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    cellgate("worker", "resume", "worker-1")
    monkeypatch.setenv("COLUMNS", "80")
    listed = cellgate(*command)
    found = json.loads(cellgate(*command, "--json").out)

    assert listed.code == 0, listed.err
    lines = [line for line in listed.out.splitlines() if "cellgate run-worker" not in line]
    assert max(len(line.rstrip()) for line in lines) <= 80
    ids = [one["id"] for one in found if isinstance(one.get("id"), str)]
    assert all(any(line.startswith(one) for line in lines) for one in ids[:20])


def test_the_newest_is_last_and_no_more_are_listed_than_asked_for(many: list[str], cellgate: Cellgate) -> None:
    usual, two = cellgate("ls"), cellgate("ls", "--limit", "2")

    assert [line.split()[0] for line in usual.out.splitlines()[1:-1]] == many[-20:]
    assert [line.split()[0] for line in two.out.splitlines()[1:-1]] == many[-2:]
    assert two.out.splitlines()[-1].startswith("The newest 2")
    assert cellgate("ls", "--limit", "0").code == 2


def test_json_is_complete_in_the_order_of_the_api_unless_a_limit_is_given(many: list[str], cellgate: Cellgate) -> None:
    whole = json.loads(cellgate("ls", "--json").out)
    assert [one["id"] for one in whole][: len(many)] == many[::-1]
    assert [one["id"] for one in json.loads(cellgate("ls", "--json", "-n", "3").out)] == many[-1:-4:-1]


def test_an_empty_list_says_so_and_is_an_empty_array_of_json(cellgate: Cellgate) -> None:
    assert cellgate("bundle", "ls").out == "There are none.\n"
    assert cellgate("bundle", "ls", "--json").out == "[]\n"
