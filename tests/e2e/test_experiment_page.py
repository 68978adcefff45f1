"""An experiment's answer, gate and config in a real browser over the real API."""

import re

import pytest
from playwright.sync_api import expect

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec, Policy
from cellgate.contract.states import FailureReason
from tests.browser_page import Watched
from tests.fakes import F1s
from tests.live_server import LiveServer

SPEC = ExperimentSpec(seeds=[0, 1])
TUNED_IS_BEST: F1s = {
    "transformer": [0.90, 0.91],
    "gnn": [0.88, 0.89],
    "ensemble": [0.93, 0.94],
    "ensemble_tuned": [0.97, 0.98],
}
WEAK: F1s = {"transformer": [0.60, 0.60], "gnn": [0.70, 0.70], "ensemble": [0.65, 0.65]}


def test_an_option_that_beats_the_chosen_one_is_named_first_with_why_it_was_not_taken(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    experiment = deployment.experiment(dataset, "tuned is best", SPEC)
    deployment.trainers(TUNED_IS_BEST).work()

    page = watched.open(f"#/experiments/{experiment}")

    first = page.locator(".three > div").first
    expect(first).to_contain_text("The ensemble ships, with mean F1 0.9350 over 2 seeds")
    expect(first).to_contain_text(
        "the tuned ensemble has 0.9750, 0.0400 more, and was not taken: the policy does not let"
    )
    # and the table says the same: it stands above the chosen one
    expect(page.locator("table.options tbody th").first).to_contain_text("Ensemble, tuned")
    expect(page.locator("table.options tr.chosen")).to_contain_text("0.9350")


def test_a_person_overrules_the_answer_on_the_page_and_has_the_last_word(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    experiment = deployment.experiment(dataset, "weak", SPEC)
    deployment.trainers(WEAK).work()
    page = watched.open(f"#/experiments/{experiment}")
    expect(page.get_by_role("heading", name="Improve", exact=True)).to_be_visible()

    page.get_by_role("button", name="Overrule").click()
    form = page.get_by_role("form", name="Overrule the answer")
    form.get_by_label("Answer").select_option("gnn")
    form.get_by_label("Reason").fill("good enough for triage")
    form.get_by_role("button", name="Overrule").click()

    words = "Ship the graph network, overruled by local; computed: improve"
    expect(page.get_by_role("heading", name=words)).to_be_visible()
    expect(page.locator(".status-line")).to_have_text(words)
    expect(page.locator("table.options tr.chosen")).to_contain_text("Graph network")
    expect(page.locator(".page-head .outcome")).to_contain_text("Ship the graph network, by local")


def test_lost_seeds_are_one_cause_and_a_check_is_waived_where_it_stands(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    experiment = deployment.experiment(dataset, "collapsed", ExperimentSpec(seeds=[0, 1, 2]))
    trainers = deployment.trainers({**WEAK, "transformer": [0.9, 0.9, 0.9], "gnn": [0.7, 0.7, 0.7]})
    trainers.failing = {(Cell.GNN, seed): (FailureReason.COLLAPSE, 5) for seed in (0, 1)}
    trainers.work()
    page = watched.open(f"#/experiments/{experiment}?tab=gate")

    # what follows from the lost seeds is folded below one sentence; what failed by itself stands first
    cascade = page.locator("details.cascade")
    expect(cascade.locator("summary")).to_have_text(re.compile(r"2 seeds collapsed → \d checks fail because of it"))
    expect(cascade.get_by_role("row", name="Exit codes")).to_be_hidden()
    rows = page.get_by_role("group", name="Checks", exact=True).locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("Seeds complete")
    expect(rows.nth(1)).to_contain_text("Mean F1 of 52 gnn")

    rows.nth(1).get_by_role("button", name="Waive").click()
    page.get_by_label("Why it may pass").fill("52 is not shipped")
    page.get_by_role("button", name="Waive it").click()

    waived = page.get_by_role("row", name="Mean F1 of 52 gnn")
    expect(waived.locator(".state")).to_have_text("waived")
    expect(waived).to_contain_text("Waived by local: 52 is not shipped")


@pytest.mark.parametrize(
    ("form", "shown"), [("YAML", "gate_f1: 0.8"), ("curl", '"gate_f1":0.8'), ("Python", '"gate_f1": 0.8')]
)
def test_a_config_shows_what_differs_and_is_copied_in_every_form(
    deployment: LiveServer, dataset: str, watched: Watched, form: str, shown: str
) -> None:
    spec = ExperimentSpec(seeds=[0, 1], policy=Policy(gate_f1=0.8))
    experiment = deployment.experiment(dataset, "other gate", spec)
    deployment.trainers().work()

    page = watched.open(f"#/experiments/{experiment}?tab=config")

    expect(page.get_by_role("row", name="policy.gate_f1")).to_contain_text("0.80.85")
    page.get_by_role("button", name=form).click()
    expect(page.locator("pre.whole")).to_contain_text(shown)
    expect(page.get_by_role("link", name="Clone and change")).to_have_attribute("href", f"#/new?from={experiment}")
