"""The dashboard's places in a real browser over the real API: Now, Experiments, Data sets, Cluster, New."""

import re

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.axe import violations
from tests.browser_page import Watched
from tests.fakes import F1s
from tests.layout_shifts import layout_shift, watch_layout
from tests.live_server import LiveServer, run_live_server
from tests.state_matrix import MARKUP, RIGHT_TO_LEFT, SPEC, Matrix, fill

CROWD = 500
pytestmark = pytest.mark.usefixtures("matrix")
MOST_SHIFT = 0.05
# For every experiment that is queued, whatever its seeds.
MANY_SEEDS: F1s = {option: 20 * [0.92] for option in ("transformer", "gnn", "ensemble", "fusion")}


@pytest.fixture(scope="module")
def matrix(deployment: LiveServer) -> Matrix:
    """An experiment in each state, and a crowd of others."""
    return fill(deployment, others=CROWD)


def row(page: Page, experiment: str) -> Locator:
    return page.locator("table.experiments tr.item", has=page.locator(f'a[data-id="{experiment}"]'))


def test_the_first_page_says_what_needs_a_person_what_runs_and_what_came_out(matrix: Matrix, watched: Watched) -> None:
    page = watched.open("")

    # one sentence says whether it is fine, and the tab how much is not
    expect(page.locator(".page-head p")).to_contain_text("things need you")
    expect(page).to_have_title("(4) Now · Cellgate")

    # what needs a person has a sentence and one thing to do
    needs = page.get_by_role("region", name="Needs you")
    expect(needs.locator("li", has_text="gpu")).to_contain_text("cellgate run-worker")
    expect(needs.locator("li", has_text="one seed lost").get_by_role("button")).to_have_count(1)

    # what runs has its steps with a tick per seed, and its place on the way
    running = page.get_by_role("region", name="Running").locator("li", has_text="half way")
    expect(running.get_by_role("list", name="Steps of half way").get_by_role("listitem")).to_have_count(7)
    expect(running.locator(".strip .beats.many").first.locator(".beat")).to_have_count(20)

    # what came out has its answer, and the score against the gate
    latest = page.get_by_role("region", name="Latest answers")
    ships = latest.locator("tbody tr", has=page.locator(f'th a[href="#/experiments/{matrix.experiments["ships"]}"]'))
    expect(ships).to_contain_text("Ship fusion")
    expect(ships.locator(".interval")).to_contain_text("0.925")


def test_a_green_tick_stands_for_a_clear_answer_to_ship_alone(matrix: Matrix, watched: Watched) -> None:
    page = watched.open("#/experiments?show=ended")
    shown = {
        "ships": ("good", "Ship fusion"),
        "borderline": ("warn", "Borderline: ship the ensemble"),
        "improve": ("warn", "Improve 51 and 52"),
        "broken": ("bad", "Broken: 1 of 4 seeds"),
        "stopped": ("idle", "Stopped"),
    }
    for key, (tone, words) in shown.items():
        outcome = row(page, matrix.experiments[key]).locator(".outcome")
        expect(outcome).to_have_text(words)
        expect(outcome).to_have_class(f"outcome {tone}")
    marks = {key: row(page, matrix.experiments[key]).locator(".outcome svg").inner_html() for key in shown}
    assert len(set(marks.values())) == len(shown), "each outcome has a mark of its own, whatever its colour"


def test_what_waits_for_a_worker_that_nobody_started_says_so(matrix: Matrix, watched: Watched) -> None:
    page = watched.open("#/experiments?q=nobody")
    outcome = row(page, matrix.experiments["unserved"]).locator(".outcome")
    expect(outcome).to_have_text("No worker serves it")
    expect(outcome).to_have_attribute(
        "title", "no worker serves queue gpu: start one with `cellgate run-worker`, CELLGATE_QUEUES naming it"
    )


def test_every_experiment_can_be_reached_and_few_are_drawn(deployment: LiveServer, watched: Watched) -> None:
    page = watched.open("#/experiments")
    total = httpx.get(f"{deployment.url}/v1/experiments?limit=1&total=true").json()["total"]
    assert total > CROWD
    expect(page.locator(".page-head [role=status]")).to_have_text(str(total))

    page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")

    expect(page.get_by_role("link", name="one of many 0000")).to_be_visible()
    assert page.locator("table.experiments tr.item").count() < 100


def test_names_of_any_length_and_direction_leave_every_column_in_its_place(matrix: Matrix, watched: Watched) -> None:
    page = watched.open("#/experiments?show=ended")
    for key in ("ships", "borderline", "stopped", "reordered"):
        expect(row(page, matrix.experiments[key])).to_be_visible()

    places = page.locator("table.experiments td.col-f1").evaluate_all(
        "cells => cells.map(cell => [cell.getBoundingClientRect().left, cell.getBoundingClientRect().height])"
    )

    assert len({tuple(place) for place in places}) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    expect(row(page, matrix.experiments["stopped"]).locator("bdi.name").first).to_have_text(MARKUP)
    expect(row(page, matrix.experiments["borderline"]).locator("bdi.name").first).to_have_attribute(
        "title", RIGHT_TO_LEFT
    )
    expect(page.locator("main img")).to_have_count(0)


def test_search_filter_and_sort_stand_in_the_address(watched: Watched) -> None:
    page = watched.open("#/experiments")
    page.get_by_label("Search by name or id").fill("many 00")
    expect(page.locator(".page-head [role=status]")).to_have_text("100")
    page.get_by_role("button", name="Name").click()
    expect(page.locator("tr.item th").first).to_have_text("one of many 0000")
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    expect(page).to_have_url(f"{watched.url}/#/experiments?q=many+00&sort=name")

    # and who opens the address sees the same
    page.reload()
    expect(page.get_by_label("Search by name or id")).to_have_value("many 00")
    expect(page.locator("tr.item th").first).to_have_text("one of many 0000")

    # and what matches nothing says so, with the way back
    page.get_by_label("Search by name or id").fill("no such name")
    expect(page.get_by_text("No experiment matches.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page).to_have_url(f"{watched.url}/#/experiments?sort=name")


def test_back_returns_to_the_place_and_the_row(watched: Watched) -> None:
    page = watched.open("#/experiments")
    expect(page.locator("tr.item").first).to_be_visible()
    page.evaluate("window.scrollTo(0, 9000)")
    link = page.locator("tr.item a[data-row]").nth(20)
    link.focus()
    place, left = link.get_attribute("href"), page.evaluate("window.scrollY")

    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("one of many")
    page.go_back()

    expect(page.locator(f'a[href="{place}"]')).to_be_focused()
    assert abs(page.evaluate("window.scrollY") - left) < 2


def test_keys_search_move_open_and_are_listed(watched: Watched) -> None:
    page = watched.open("")
    expect(page.get_by_role("heading", name="Now")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Search the experiments")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    search = page.get_by_label("Search by name or id")
    expect(search).to_be_focused()
    search.press_sequentially("many 0000")
    expect(page.locator("tr.item")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("tr.item a[data-row]").first).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_role("region", name="Selected")).to_contain_text("1 selected")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("one of many 0000")


def test_selected_experiments_are_compared(watched: Watched) -> None:
    page = watched.open("#/experiments?q=many+000&sort=name")
    for name in ("one of many 0001", "one of many 0002"):
        page.get_by_label(f"Select {name}").check()
    found = page.get_by_role("region", name="Selected").get_by_role("link", name="Compare").get_attribute("href")
    ids = [
        page.get_by_role("link", name=name).get_attribute("data-id")
        for name in ("one of many 0001", "one of many 0002")
    ]
    assert found == f"#/compare?experiments={','.join(map(str, ids))}"


def test_a_view_is_saved_under_a_name(watched: Watched) -> None:
    page = watched.open("#/experiments?show=improve&hide=owner")
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Save what is shown as").fill("to be improved")
    page.get_by_role("button", name="Save").click()

    watched.open("#/experiments")
    page.reload()
    page.locator("summary", has_text="Views").click()
    page.get_by_role("link", name="to be improved").click()

    expect(page).to_have_url(f"{watched.url}/#/experiments?show=improve&hide=owner")
    expect(page.locator("tr.item")).to_have_count(1)
    expect(page.get_by_role("columnheader", name="Owner")).to_have_count(0)


def test_experiments_of_one_data_set_stand_together_with_the_best_over_time(watched: Watched) -> None:
    page = watched.open("#/experiments?show=ended&group=dataset")
    head = page.locator("tr.group")
    expect(head).to_contain_text("functions")
    expect(head).to_contain_text("experiments")
    expect(head).to_contain_text("best 0.925")
    head.get_by_role("button").click()
    expect(page.locator("tr.item")).to_have_count(0)


def menu_of(page: Page, name: str, *, item: str) -> None:
    page.get_by_role("button", name=f"More about {name}").click()
    page.get_by_role("menuitem", name=item).click()


def test_an_experiment_is_renamed_noted_and_labelled_from_the_list(watched: Watched) -> None:
    page = watched.open("#/experiments?q=many+0007")
    menu_of(page, "one of many 0007", item="Rename, note, labels")
    page.get_by_label("Name", exact=True).fill("the seventh")
    page.get_by_role("textbox", name="Note").fill("worth a look")
    page.get_by_role("textbox", name="Labels").fill("team:core")
    page.get_by_role("button", name="Save").click()

    watched.open("#/experiments?q=seventh&label=team:core")
    expect(page.locator("tr.item")).to_contain_text("the seventh")
    expect(page.locator("tr.item")).to_contain_text("worth a look")


def test_a_change_that_somebody_made_meanwhile_is_not_overwritten(deployment: LiveServer, watched: Watched) -> None:
    page = watched.open("#/experiments?q=many+0008")
    link = page.get_by_role("link", name="one of many 0008")
    path = f"{deployment.url}/v1/experiments/{link.get_attribute('data-id')}"
    menu_of(page, "one of many 0008", item="Rename, note, labels")
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
    httpx.patch(path, json={"note": "from elsewhere"}).raise_for_status()

    page.get_by_role("textbox", name="Note").fill("from here")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert").first).to_contain_text("Not done")
    assert httpx.get(path).json()["note"] == "from elsewhere"
    assert len(watched.wrong) == 1
    watched.wrong.clear()


def test_what_would_be_deleted_is_counted_before_it_is(
    matrix: Matrix, deployment: LiveServer, watched: Watched
) -> None:
    page = watched.open(f"#/experiments?q={matrix.experiments['reordered']}")
    row(page, matrix.experiments["reordered"]).get_by_role("button").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this experiment?")
    expect(dialog).to_contain_text("1 experiment")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    dialog.get_by_role("button", name="Delete").click()

    expect(page.get_by_text("No experiment matches.")).to_be_visible()
    path = f"{deployment.url}/v1/experiments/{matrix.experiments['reordered']}"
    assert httpx.get(path).status_code == httpx.codes.NOT_FOUND


def test_an_archived_experiment_leaves_the_list_and_comes_back(watched: Watched) -> None:
    page = watched.open("#/experiments?q=many+0009")
    menu_of(page, "one of many 0009", item="Archive")
    expect(page.get_by_text("No experiment matches.")).to_be_visible()

    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Archived ones instead").check()
    expect(page).to_have_url(f"{watched.url}/#/experiments?q=many+0009&archived=true")
    menu_of(page, "one of many 0009", item="Take out of the archive")
    expect(page.get_by_text("No experiment matches.")).to_be_visible()


def test_the_cluster_says_who_serves_and_what_to_do_where_nobody_does(watched: Watched) -> None:
    page = watched.open("#/cluster")
    expect(page.locator(".page-head p")).to_have_text("Nobody serves queue gpu: start a worker.")
    expect(page.get_by_role("row", name="gpu")).to_contain_text("CELLGATE_QUEUES='[\"gpu\"]' cellgate run-worker")
    expect(page.get_by_role("list", name="Slot 1 of worker-1").get_by_role("link")).not_to_have_count(0)

    # and a worker is drained, and resumed
    page.get_by_role("button", name="Drain worker-1").click()
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    page.get_by_role("button", name="Resume worker-1").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Drain worker-1")).to_be_visible()


def test_an_experiment_is_started_by_the_form_and_mistakes_stand_at_their_fields(
    matrix: Matrix, deployment: LiveServer, watched: Watched
) -> None:
    page = watched.open("#/new")
    page.get_by_label("Data set").select_option(matrix.dataset)
    expect(page.get_by_role("complementary", name="Before it starts")).to_contain_text("Pre-flight")
    page.get_by_label("Seeds").fill("0-")
    expect(page.locator(".field", has=page.get_by_label("Seeds"))).to_contain_text("expected whole numbers")
    page.get_by_label("Seeds").fill("0-1, 5")
    page.get_by_label("Gate: mean F1 above").fill("1.5")
    page.get_by_role("button", name="Start the experiment").click()

    # every mistake at once, each at its field
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Gate: mean F1 above")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name")).to_be_focused()
    watched.wrong.clear()

    page.get_by_label("Gate: mean F1 above").fill("0.8")
    page.get_by_label("Name").fill("from the form")
    page.get_by_role("button", name="Start the experiment").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("from the form")
    made = httpx.get(f"{deployment.url}/v1/experiments/{page.url.rpartition('/')[2].partition('?')[0]}").json()
    assert (made["seeds"], made["spec"]["policy"]["gate_f1"]) == ([0, 1, 5], 0.8)
    watched.wrong.clear()


def test_a_clone_has_the_settings_of_the_other_and_its_whole_request_can_be_edited(
    matrix: Matrix, watched: Watched
) -> None:
    page = watched.open(f"#/new?from={matrix.experiments['running']}")
    expect(page.get_by_label("Name")).to_have_value("half way, changed")
    expect(page.get_by_label("Seeds")).to_have_value(", ".join(map(str, range(20))))

    page.locator("summary", has_text="All fields").click()
    whole = page.get_by_label("The whole request as YAML or JSON")
    expect(whole).to_have_value(re.compile("gate_f1: 0.85"))
    whole.fill(f"name: edited\ndataset: {matrix.dataset}\nseeds: [7]\n")
    expect(page.get_by_label("Seeds")).to_have_value("7")
    whole.fill("name: [")
    expect(page.locator("#spec-mistake")).not_to_be_empty()


def test_an_empty_service_shows_the_way_to_a_first_answer(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with run_live_server(tmp_path_factory.mktemp("empty")) as server:
        page = browser.new_page()
        page.goto(server.url)
        expect(page.get_by_role("heading", name="No experiment yet")).to_be_visible()
        expect(page.locator("code", has_text="cellgate dataset add functions.jsonl")).to_be_visible()
        page.close()


@pytest.fixture
def phone(watched: Watched) -> Watched:
    """A page of the size of a phone."""
    watched.page.set_viewport_size({"width": 390, "height": 844})
    return watched


@pytest.mark.parametrize(
    "place", ["", "#/experiments", "#/experiments?group=dataset", "#/datasets", "#/cluster", "#/new"]
)
def test_nothing_is_cut_off_on_a_phone(phone: Watched, place: str) -> None:
    page = phone.open(place)
    expect(page.locator("main .card").last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


PLACES = {
    "now": "",
    "experiments": "#/experiments?selected=exp_00000000000000000000000000",
    "groups": "#/experiments?group=dataset&show=ended",
    "data sets": "#/datasets",
    "cluster": "#/cluster",
    "new": "#/new",
}
THEMES = ("light", "dark")
WIDTHS = (1440, 390)


def check_with_axe(page: Page, looks: list[tuple[str, int]]) -> None:
    for theme, width in looks:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.locator("main .card").last).to_be_visible()
        assert violations(page) == [], f"{theme}, {width} px"


@pytest.mark.parametrize("place", PLACES)
def test_a_place_breaks_no_rule_of_accessibility(watched: Watched, place: str) -> None:
    page = watched.open(PLACES[place])
    expect(page.locator("main h1")).to_be_visible()
    check_with_axe(page, [("light", 1440), ("dark", 390)])


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_place_breaks_no_rule_of_accessibility_in_any_theme_and_width(watched: Watched, place: str) -> None:
    page = watched.open(PLACES[place])
    expect(page.locator("main h1")).to_be_visible()
    check_with_axe(page, [(theme, width) for theme in THEMES for width in WIDTHS])


def test_nothing_moves_on_the_first_page_while_an_experiment_runs(
    matrix: Matrix, deployment: LiveServer, first_visit: Watched
) -> None:
    watch_layout(first_visit.page)
    page = first_visit.open("")
    expect(page.get_by_role("region", name="Running")).to_be_visible()
    made = deployment.experiment(matrix.dataset, "watched live", SPEC)
    trainers = deployment.trainers(MANY_SEEDS)
    running = page.get_by_role("region", name="Running").locator("li", has_text="watched live")
    expect(running).to_be_visible()
    latest = page.get_by_role("region", name="Latest answers").locator(f'th a[href="#/experiments/{made}"]')
    while httpx.get(f"{deployment.url}/v1/experiments/{made}/status").json()["conclusion"] is None:
        trainers.work(limit=2)
    expect(latest).to_be_visible()
    expect(running).to_have_count(0)

    total, shifts = layout_shift(page)
    assert total <= MOST_SHIFT, shifts


def test_what_needs_a_person_is_dealt_with_where_it_stands(matrix: Matrix, watched: Watched) -> None:
    page = watched.open("")
    needs = page.get_by_role("region", name="Needs you").locator("li", has_text="far from the gate")
    needs.get_by_role("button", name="Waive").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The gate failed")

    # what a person has to add is asked for, and a mistake in it is told
    dialog.get_by_label("Reason").fill("short")
    dialog.get_by_role("button", name="Waive").click()
    expect(dialog.get_by_role("alert")).to_contain_text("/reason")
    watched.wrong.clear()
    dialog.get_by_label("Reason").fill("a baseline for the paper, not for production")
    dialog.get_by_role("button", name="Waive").click()

    expect(page.get_by_role("dialog")).to_have_count(0)
    path = f"{watched.url}/v1/experiments/{matrix.experiments['improve']}/gate"
    waived = [check for check in httpx.get(path).json()["checks"] if check["verdict"] == "waived"]
    assert len(waived) == 1
