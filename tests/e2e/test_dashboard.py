"""The dashboard in a real browser over the real API: what is shown, and that nothing forbidden happens."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import FailureReason
from tests.browser_page import Watched
from tests.fakes import F1s
from tests.live_server import LiveServer, run_live_server

SPEC = ExperimentSpec(seeds=[0, 1])
FUSION_GAINS: F1s = {"transformer": [0.86, 0.87], "gnn": [0.87, 0.88], "ensemble": [0.88, 0.89], "fusion": [0.92, 0.93]}


def open_tab(page: Page, name: str) -> None:
    """Open a tab of an experiment's page."""
    page.get_by_role("navigation", name="Parts of the experiment").get_by_role("link", name=name).click()


def test_a_finished_experiment_shows_pipeline_decision_gate_and_curves(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    # given an experiment in which fusion gained
    experiment = deployment.experiment(dataset, "fusion gains", SPEC)
    deployment.trainers(FUSION_GAINS).work()

    # when its page is opened
    page = watched.open(f"#/experiments/{experiment}")

    # then the last decision stands in big words, the one before it is folded
    expect(page).to_have_title(re.compile("fusion gains · Cellgate"))
    answer = page.get_by_role("region", name="Ship fusion")
    expect(answer.locator(".badge")).to_have_text("clear")
    expect(answer).to_contain_text("seeds 0, 1 together")
    expect(page.locator("summary", has_text="Train fusion")).to_be_visible()

    # and a row with a whisker for every option
    expect(page.locator("table.options .whisker")).to_have_count(4)

    # and every step in the strip, and each seed's F1
    expect(page.get_by_role("list", name="Steps of fusion gains").locator(".label")).to_have_text(
        ["prepare", "pre-flight", "51", "52", "gate", "53", "decision"]
    )
    open_tab(page, "Seeds")
    expect(page.locator(".seeds-table .chip", has_text="F1 0.9300")).to_be_visible()

    # and the gate with its verdicts, thresholds and each seed's value
    open_tab(page, "Gate")
    mean = page.locator("table.gate tr", has_text="Mean F1 of 51 transformer")
    expect(mean).to_contain_text("pass")
    expect(mean).to_contain_text("0.8500")
    expect(mean).to_contain_text("0.8650")
    expect(mean.locator(".values li")).to_have_count(2)

    # and every check under a name for people
    expect(page.locator("table.gate tbody th", has_text="Above the leak probes")).to_be_visible()
    expect(page.locator("table.gate tbody th", has_text="_")).to_have_count(0)

    # and the curves: mean and band of every cell, or each seed
    open_tab(page, "Curves")
    first = page.locator(".chart").first
    expect(first.locator(".legend li")).to_have_count(3)
    page.get_by_role("button", name="Each").click()
    expect(first.locator(".legend li")).to_have_count(6)


def test_a_running_experiment_moves_by_itself(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    # given a run half way
    experiment = deployment.experiment(dataset, "moving", SPEC)
    trainers = deployment.trainers()
    trainers.work(limit=1)
    claim = trainers.begin_one()
    page = watched.open(f"#/experiments/{experiment}")

    # then its progress is shown, also to who cannot see it
    bar = page.get_by_role("progressbar", name="Progress of 51 transformer seed 0, train")
    expect(bar).to_have_attribute("aria-valuenow", "50")
    expect(page.locator(".chip", has_text="epoch 4/8, 32 s left")).to_be_visible()
    expect(page.locator(".status-line")).to_contain_text("Training, 13 % done")

    # and when it ends and all others run, the page follows without being loaded again
    page.evaluate("window.loadedOnce = true")
    trainers.end(claim)
    trainers.work()
    expect(page.locator(".page-head .outcome")).to_have_text("Ship the ensemble")
    expect(page.locator(".status-line")).to_contain_text("The ensemble ships, with mean F1 0.9350 over 2 seeds")
    assert page.evaluate("window.loadedOnce")


def test_a_waived_check_and_an_overruled_decision_name_who_and_why(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    # given an experiment whose gate failed for the graph network alone
    weak: F1s = {"transformer": [0.91, 0.92], "gnn": [0.80, 0.81], "ensemble": [0.92, 0.93], "fusion": [0.92, 0.93]}
    experiment = deployment.experiment(dataset, "let pass", ExperimentSpec(seeds=[0, 1]))
    deployment.trainers(weak).work()
    v1 = f"{deployment.url}/v1/experiments/{experiment}"

    # when a person waives that check, and ships something else than what was decided
    waiver = {"check": "mean_f1_gnn", "reason": "the text model alone will be shipped"}
    assert httpx.post(f"{v1}/gate/waivers", json=waiver).status_code == 202
    deployment.trainers(weak).work()
    verdict = {"outcome": "single", "option": "transformer", "reason": "graphs cannot be built at the customer's"}
    assert httpx.post(f"{v1}/decision", json=verdict).status_code == 202

    # then the page says both, with their reasons, and the gate has passed
    page = watched.open(f"#/experiments/{experiment}")
    expect(page.get_by_role("heading", name="Ship the transformer, overruled by local; computed: ship")).to_be_visible()
    expect(page.locator(".three")).to_contain_text("graphs cannot be built at the customer's")
    open_tab(page, "Gate")
    row = page.get_by_role("row", name="Mean F1 of 52 gnn")
    expect(row.locator(".state")).to_have_text("waived")
    expect(row.get_by_text("Waived by local: the text model alone will be shipped")).to_be_visible()
    expect(page.get_by_role("region", name="Gate").locator(".head .state")).to_have_text("pass")


def test_a_failed_seed_is_shown_with_its_cause(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    experiment = deployment.experiment(dataset, "collapsing", SPEC)
    trainers = deployment.trainers()
    trainers.failing = {(Cell.GNN, 1): (FailureReason.COLLAPSE, 5)}
    trainers.work()

    page = watched.open(f"#/experiments/{experiment}")

    expect(page.get_by_role("heading", name="Broken: 1 of 4 seeds")).to_be_visible()
    expect(page.locator(".status-line")).to_contain_text("The gate failed: 1 seed collapsed")
    open_tab(page, "Seeds")
    failures = page.locator("section.failures")
    expect(failures).to_contain_text("52 gnn seed 1 Collapse")
    expect(failures).to_contain_text("exit code 5")
    expect(failures.locator("summary")).to_have_text("made to fail")


def test_a_run_shows_its_curves_events_and_output(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    experiment = deployment.experiment(dataset, "one run", SPEC)
    deployment.trainers().work()

    page = watched.open(f"#/runs/{deployment.run_of(experiment, '51', 1)}")

    expect(page.get_by_role("heading", name="51 transformer · seed 1")).to_be_visible()
    expect(page.locator(".chart h3")).to_have_text(
        ["Loss", "Scores on dev", "Gradient norms before clipping", "Learning rate", "Weight norms"]
    )
    expect(page.locator(".events li", has_text="running → succeeded")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("loading the data set")
    expect(page.locator("tr", has=page.get_by_role("rowheader", name="gate"))).to_contain_text("0.9100")


def test_the_list_leads_to_an_experiment_by_keyboard_alone(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    experiment = deployment.experiment(dataset, "newest", SPEC)
    deployment.trainers().work()
    page = watched.open("#/experiments")

    row = page.locator("tr", has_text="newest")
    expect(row).to_contain_text("Ship the ensemble")
    expect(row).to_contain_text("51: 2 of 2 seeds done")
    expect(page.get_by_role("link", name="newest")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="newest")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{deployment.url}/#/experiments/{experiment}")


def test_data_sets_show_splits_and_the_bag_of_tokens(dataset: str, watched: Watched) -> None:
    page = watched.open("#/datasets")
    expect(page.locator("tbody tr", has_text="functions")).to_contain_text("0.7000")
    page.get_by_role("link", name="functions").click()
    expect(page).to_have_url(re.compile(f"#/datasets/{dataset}$"))
    expect(page.get_by_role("region", name="What gives labels away")).to_contain_text("Bag of tokensF1 0.7000")
    expect(page.get_by_role("row", name="Functions 300 600")).to_be_visible()


def test_a_name_is_shown_as_text_whatever_it_holds(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    name = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    experiment = deployment.experiment(dataset, f"{name}\u202eevil\u200b\x1b\U000e0041", SPEC)
    deployment.trainers().work()
    page = watched.open(f"#/experiments/{experiment}")
    expect(page.locator("main h1")).to_contain_text(f"{name}\\u202eevil\\u200b\\x1b\\U000e0041")
    expect(page.locator("main img")).to_have_count(0)


def test_the_page_says_when_the_server_is_away_and_when_it_is_back(
    deployment: LiveServer, dataset: str, browser: Browser
) -> None:
    experiment = deployment.experiment(dataset, "lonely", SPEC)
    trainers = deployment.trainers()
    trainers.work(limit=1)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{deployment.url}/#/experiments/{experiment}")
    expect(page.locator("main h1")).to_contain_text("lonely")

    context.set_offline(True)
    expect(page.locator(".away")).to_contain_text("The server is away")

    context.set_offline(False)
    expect(page.locator(".away")).to_have_text("")
    context.close()
    trainers.work()


def test_a_locked_service_asks_for_its_token(tmp_path: Path, browser: Browser) -> None:
    with run_live_server(tmp_path, token="a secret of 32 characters or more") as locked:
        page = browser.new_page()
        page.goto(locked.url)
        page.get_by_label("Token").fill("a secret of 32 characters or more")
        page.get_by_role("button").click()
        expect(page.get_by_role("heading", name="No experiment yet")).to_be_visible()
        page.close()


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_cut_off_on_a_narrow_screen(
    deployment: LiveServer, dataset: str, watched: Watched, width: int
) -> None:
    experiment = deployment.experiment(dataset, "narrow", SPEC)
    deployment.trainers(FUSION_GAINS).work()
    watched.page.set_viewport_size({"width": width, "height": 800})
    for place in ("", f"#/experiments/{experiment}", f"#/runs/{deployment.run_of(experiment, '51', 0)}"):
        page = watched.open(place)
        expect(page.locator("main .card").last).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light_follow_the_system(watched: Watched) -> None:
    def brightness(scheme: str) -> int:
        watched.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page = watched.open("")
        expect(page.locator("header.bar")).to_be_visible()
        colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    assert brightness("dark") < 150 < 600 < brightness("light")
