"""What the dashboard asks of the server, in a real browser: little, and nothing when hidden."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from cellgate.contract.experiment import ExperimentSpec
from service.store.experiments import cancel_experiment
from tests.browser_page import Watched
from tests.live_server import LiveServer

SPEC = ExperimentSpec(seeds=[0, 1])
FIRST_LOAD_BYTES = 60_000
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def questions_of(page: Page) -> list[str]:
    """A list that grows by the path of each question to the API from now on."""
    found: list[str] = []

    def see(request: Request) -> None:
        if "/v1/" in request.url:
            found.append("/v1/" + request.url.partition("/v1/")[2])

    page.on("request", see)
    return found


def wait_until(page: Page, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def is_long_poll(path: str) -> bool:
    return "wait=" in path


def test_a_server_that_accepts_and_never_answers_is_told_of_over_a_page_that_does_not_move(
    deployment: LiveServer, dataset: str, browser: Browser
) -> None:
    # given a server that hangs as soon as the page waits for a change
    experiment = deployment.experiment(dataset, "hung", SPEC)
    page = browser.new_page()
    waiting: list[str] = []

    def hang(route: Route) -> None:
        if is_long_poll(route.request.url):
            waiting.append(route.request.url)
        if not waiting:
            route.continue_()

    page.route("**/v1/**", hang)
    page.goto(f"{deployment.url}/#/experiments/{experiment}")
    heading = page.locator("main h1")
    expect(heading).to_contain_text("hung")
    wait_until(page, lambda: waiting != [])
    place = heading.bounding_box()

    # then that is told within 12 s, with the age of what is seen, and nothing has moved
    expect(page.locator(".away.shown")).to_contain_text("no answer within 11 s")
    expect(page.locator(".away")).to_contain_text("as of")
    assert heading.bounding_box() == place

    # and once it answers again, the page goes on by itself
    page.unroute("**/v1/**")
    expect(page.locator(".away")).to_have_text("")
    with deployment.database.begin() as session:
        cancel_experiment(session, experiment)
    expect(page.locator("main")).to_contain_text("cancelled")
    page.close()


def test_a_page_has_one_long_poll_and_no_stream(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    experiment = deployment.experiment(dataset, "polled", SPEC)
    page = watched.page
    asked = questions_of(page)
    watched.open(f"#/experiments/{experiment}")
    wait_until(page, lambda: len([one for one in asked if is_long_poll(one)]) >= 2)

    assert {one.partition("?")[0] for one in asked if is_long_poll(one)} == {f"/v1/experiments/{experiment}"}
    assert not [one for one in asked if "stream" in one]


def test_a_hidden_tab_asks_nothing_and_catches_up_when_it_is_shown(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    experiment = deployment.experiment(dataset, "hidden", SPEC)
    page = watched.page
    asked = questions_of(page)
    watched.open(f"#/experiments/{experiment}")
    wait_until(page, lambda: any(map(is_long_poll, asked)))

    # when the tab is hidden and something happens
    page.evaluate(HIDE, True)
    page.wait_for_timeout(300)
    asked.clear()
    with deployment.database.begin() as session:
        cancel_experiment(session, experiment)
    page.wait_for_timeout(3000)
    assert asked == []

    # then it is seen as soon as the tab is shown
    page.evaluate(HIDE, False)
    expect(page.locator("main")).to_contain_text("cancelled")


@pytest.mark.parametrize("place", ["", "#/experiments", "#/experiments/{experiment}"])
def test_a_first_load_is_small(deployment: LiveServer, dataset: str, browser: Browser, place: str) -> None:
    experiment = deployment.experiment(dataset, "small", SPEC)
    context = browser.new_context()
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    received: list[int] = []

    def add(event: dict[str, Any]) -> None:
        received.append(int(event["encodedDataLength"]))

    wire.on("Network.loadingFinished", add)
    page.goto(f"{deployment.url}/{place.format(experiment=experiment)}")
    expect(page.locator("main")).to_contain_text("small")
    page.wait_for_timeout(1000)

    assert 10_000 < sum(received) < FIRST_LOAD_BYTES
    context.close()
