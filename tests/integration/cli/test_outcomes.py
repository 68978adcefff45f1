"""The command line tells what came of experiments and jobs, and `watch` ends with it."""

import json

import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.states import FailureReason
from tests.fakes import F1s
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer

COLLAPSE = (FailureReason.COLLAPSE, 5)
BASES = [(cell, seed) for cell in (Cell.TRANSFORMER, Cell.GNN) for seed in (0, 1)]
REASON = "We have no room for two models in the scanner."
# Its interval, of 0.01 to each side, holds the threshold of 0.9.
NEAR: F1s = {"transformer": [0.87, 0.87], "gnn": [0.88, 0.88], "ensemble": [0.905, 0.905]}
WEAK: F1s = {"transformer": [0.50, 0.50], "gnn": [0.50, 0.50], "ensemble": [0.50, 0.50]}


@pytest.fixture(scope="module")
def broken(context: LiveServer, ready_dataset: str) -> str:
    """An experiment of which every seed collapsed."""
    experiment = context.experiment(ready_dataset, "broken")
    trainers = context.trainers()
    trainers.failing = dict.fromkeys(BASES, COLLAPSE)
    trainers.work()
    return experiment


def test_four_of_four_collapsed_runs_end_with_22_and_a_job_of_them_does_too(broken: str, cellgate: Cellgate) -> None:
    watched = cellgate("watch", broken)

    assert watched.code == 22
    assert f"{broken}: ended, broken: 4 of 4 seeds" in watched.out
    job = next(job for job in json.loads(cellgate("show", broken, "--json").out)["jobs"] if job["step"] == "51")
    assert cellgate("watch", job["id"]).code == 22
    assert "ended  broken: 2 of 2 seeds" in cellgate("show", job["id"]).out
    assert "ended  broken: 4 of 4 seeds" in cellgate("show", broken).out


@pytest.mark.parametrize(("f1s", "code", "text"), [(NEAR, 20, "borderline: ships"), (WEAK, 21, "improve 51 and 52")])
def test_what_is_not_clear_or_not_good_enough_has_an_exit_code_of_its_own(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, f1s: F1s, code: int, text: str
) -> None:
    experiment = context.experiment(ready_dataset, "other")
    context.trainers(f1s).work()

    watched = cellgate("watch", experiment)

    assert watched.code == code, watched.out
    assert text in watched.out


def test_lists_are_filtered_by_outcome_and_show_a_persons_word_with_the_computed_one(
    context: LiveServer, ready_dataset: str, broken: str, cellgate: Cellgate
) -> None:
    ships = context.experiment(ready_dataset, "ships")
    context.trainers().work()
    assert cellgate("decision", "overrule", ships, "gnn", "--reason", REASON).code == 0

    listed = cellgate("ls", "--outcome", "ships").out
    shown = cellgate("show", ships).out

    assert ships in listed
    assert broken not in listed
    assert "ships graph network, overruled by local (computed: ships ensemble)" in " ".join(shown.split())
    assert cellgate("watch", ships).code == 0


def test_the_newest_events_are_listed_oldest_first(broken: str, cellgate: Cellgate) -> None:
    listed = json.loads(cellgate("events", broken, "--tail", "2", "--json").out)

    assert len(listed) == 2
    assert listed[0]["id"] < listed[1]["id"]
    assert listed[1]["body"]["to"] == "succeeded"
    assert "transition" in cellgate("events", broken, "--tail", "1").out
    assert cellgate("events", "job_1").code == 2
