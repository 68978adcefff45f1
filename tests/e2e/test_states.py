"""Every state that an experiment can be in, on every page that shows it: right words, nothing cut, axe keeps silent."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.axe import violations
from tests.browser_page import Watched, watched_tab
from tests.dashboard_states import States, make_states
from tests.live_server import LiveServer, run_live_server
from tests.state_matrix import LONG, MARKUP

# What each experiment's page begins with.
SAYS = {
    "ships the ensemble": "Ship the ensemble",
    "long": "Ship the ensemble",
    "right to left": "Ship the ensemble",
    "markup": "Ship the ensemble",
    "ships the graph network": "Ship the graph network",
    "ships fusion": "Ship fusion",
    "borderline": "Borderline: ship the transformer",
    "improve": "Improve 51 and 52",
    "twenty seeds": "Borderline: ship the transformer",
    "broken": "Broken: 2 of 4 seeds",
    "failed": "Failed",
    "collapsed": "Improve 51 and 52",
    "without data": "Failed",
    "overruled": "Ship the graph network, by anna",
    "waived": "Ship fusion",
    "with two seeds": "Borderline: ship the transformer",
    "extended": "Borderline: ship the transformer",
    "archived": "Ship the ensemble",
    "cancelled": "Stopped",
    "nobody serves its queue": "No worker serves it",
    "running the text model": "Training",
    "running fusion": "Fusing",
    "paused": "Paused",
    "one seed cancelled": "Waits",
    "tried again": "Waits",
    "waits for its data": "Waits",
}
CLEAR = {state for state, said in SAYS.items() if said.startswith("Ship")}
TABS = ("answer", "curves", "seeds", "gate", "errors", "config")
LOOKS = [(theme, width) for theme in ("light", "dark") for width in (1440, 390)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The API over experiments in every state."""
    with run_live_server(tmp_path_factory.mktemp("states")) as running:
        yield running


@pytest.fixture(scope="module")
def states(server: LiveServer) -> States:
    """What was made."""
    return make_states(server)


@pytest.fixture
def watched(one_tab: Page, server: LiveServer) -> Iterator[Watched]:
    """A page as if it were new."""
    with watched_tab(one_tab, server.url, width=1440) as found:
        yield found


def opened(watched: Watched, states: States, state: str, tab: str = "answer") -> Page:
    page = watched.open(f"#/experiments/{states.experiments[state]}?tab={tab}")
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator("main .card").first).to_be_visible()
    return page


def fits(page: Page) -> bool:
    """Whether nothing stands outside of the page."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_every_state_is_tried(states: States) -> None:
    assert set(SAYS) == set(states.experiments)
    assert len(LONG) == 200


@pytest.mark.parametrize("state", ["ships fusion", "overruled", "broken", "nobody serves its queue", "twenty seeds"])
def test_a_page_says_what_its_experiment_came_to(watched: Watched, states: States, state: str) -> None:
    check_state(watched, states, state)


@pytest.mark.slow
@pytest.mark.parametrize("state", SAYS)
def test_every_page_says_what_its_experiment_came_to(watched: Watched, states: States, state: str) -> None:
    check_state(watched, states, state)


def check_state(watched: Watched, states: States, state: str) -> None:
    page = opened(watched, states, state)
    mark = page.locator("main .page-head .outcome").first
    expect(mark).to_contain_text(SAYS[state])
    assert ("good" in (mark.get_attribute("class") or "")) == (state in CLEAR)
    assert fits(page)
    assert watched.wrong == []


def test_markup_in_a_name_is_text(watched: Watched, states: States) -> None:
    page = opened(watched, states, "markup")

    expect(page.locator("main h1")).to_contain_text(MARKUP)
    assert page.locator("main h1 b, main h1 img").count() == 0


@pytest.mark.parametrize(("state", "tab"), [("ships fusion", "answer"), ("collapsed", "gate"), ("improve", "seeds")])
def test_a_tab_keeps_the_rules_of_accessibility(watched: Watched, states: States, state: str, tab: str) -> None:
    check_looks(opened(watched, states, state, tab), [("light", 1440)])


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("state", ["ships fusion", "overruled", "broken", "running the text model", "long"])
def test_every_tab_keeps_the_rules_of_accessibility_in_every_look(
    watched: Watched, states: States, state: str, tab: str
) -> None:
    check_looks(opened(watched, states, state, tab), LOOKS)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["running", "fusion", "failed", "compare", "dataset"])
def test_every_other_page_keeps_them_in_every_look(watched: Watched, states: States, place: str) -> None:
    made = states.experiments
    address = {
        "compare": f"#/compare?experiments={made['ships fusion']},{made['improve']}",
        "dataset": f"#/datasets/{states.datasets['ready']}",
    }.get(place) or f"#/runs/{states.runs[place]}"
    page = watched.open(address)
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator("main .card").first).to_be_visible()
    check_looks(page, LOOKS)


def check_looks(page: Page, looks: list[tuple[str, int]]) -> None:
    for theme, width in looks:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        assert violations(page) == [], f"{theme}, {width} px"
        assert fits(page), f"{theme}, {width} px"
