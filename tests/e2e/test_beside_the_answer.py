"""What stands beside an answer, in a real browser: pins, evaluations elsewhere, verdicts that are withheld."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.results import RunResult
from service.store.claims import Claim
from tests.axe import violations
from tests.browser_page import Watched
from tests.fakes import F1s, abstention
from tests.live_server import LiveServer

SPEC = ExperimentSpec(seeds=[0, 1])
WEAK: F1s = {
    "transformer": [0.90, 0.91],
    "gnn": [0.60, 0.60],
    "ensemble": [0.80, 0.80],
    "fusion": [0.80, 0.80],
}


def with_abstention(_claim: Claim, found: RunResult) -> RunResult:
    """Let every option of the evidence withhold verdicts."""
    if found.evidence is None:
        return found
    options = [one.model_copy(update={"abstention": abstention(0.625)}) for one in found.evidence.options]
    return found.model_copy(update={"evidence": found.evidence.model_copy(update={"options": options})})


@pytest.fixture(scope="module")
def decided(deployment: LiveServer, dataset: str) -> str:
    """An experiment that ships, whose policy states a risk."""
    made = deployment.experiment(dataset, "decided", SPEC)
    trainers = deployment.trainers()
    trainers.corrupt = with_abstention
    trainers.work()
    return made


def test_a_pinned_experiment_stands_above_all_others_until_it_is_let_go(decided: str, watched: Watched) -> None:
    page = watched.open(f"#/experiments/{decided}")
    page.get_by_role("button", name="Pin", exact=True).click()
    pins = page.get_by_role("list", name="Pinned experiments")

    for place in ("#/", "#/experiments"):
        watched.open(place)
        expect(pins.get_by_role("link", name="decided")).to_be_visible()
        expect(pins).to_contain_text("Ship")
    page.reload()
    pins.get_by_role("link", name="decided").click()
    page.get_by_role("button", name="Pinned", exact=True).click()
    watched.open("#/")

    expect(page.get_by_role("heading", name="Running")).to_be_visible()
    expect(pins).to_have_count(0)


def test_where_verdicts_are_withheld_the_answer_says_how_many_and_how_many_are_wrong(
    decided: str, watched: Watched
) -> None:
    page = watched.open(f"#/experiments/{decided}?tab=answer")
    found = page.get_by_role("region", name=re.compile("Where at most 5 % of the verdicts may be wrong"))

    row = found.locator("tbody tr", has_text="Fusion").or_(found.locator("tbody tr", has_text="Ensemble")).first
    expect(row).to_contain_text("0.625")
    expect(row).to_contain_text("0.75 · 1.50")
    expect(found.get_by_role("img", name="Risk over coverage: share wrong over share with a verdict")).to_be_visible()
    assert violations(page) == []


def test_where_nothing_ships_the_first_sentence_names_the_check_that_failed(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    made = deployment.experiment(dataset, "improves", SPEC)
    deployment.trainers(WEAK).work()

    page = watched.open(f"#/experiments/{made}")

    wanted = "the mean F1 of cell 52 on the gate split, 0.6000 over 2 of 2 seeds, is not above 0.85"
    expect(page.locator(".status-line")).to_contain_text(wanted)


def test_evaluations_are_listed_with_what_is_shared_with_training_before_the_scores(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    scores = deployment.data / "scores.jsonl"
    scores.parent.mkdir(parents=True, exist_ok=True)
    scores.write_text('{"id": "a", "probability": 0.5}\n')
    wanted = {"dataset": dataset, "scores": str(scores)}
    httpx.post(f"{deployment.url}/v1/evaluations", json=wanted).raise_for_status()
    deployment.trainers().work()

    page = watched.open(f"#/datasets/{dataset}")
    page.get_by_role("link", name="Evaluations on it").click()

    row = page.locator("tbody tr", has_text="functions")
    expect(row).to_contain_text(re.compile(r"5 of [\d,]+ functions, or near copies.*0\.800", re.DOTALL))
    expect(row).to_contain_text("1 project in common")
    expect(row).to_contain_text("60 are of 2023-09-30 or older, 7 have no date; F1 0.700, ")
    expect(page.locator("th").nth(1)).to_have_text("Shared with its training")
    assert violations(page) == []
