"""Pages of what goes on, in a real browser: only what is new travels and is drawn, and nothing moves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Request, expect

from cellgate.contract.experiment import ExperimentSpec
from service.store.claims import Claim
from service.store.recorder import record_metrics, record_progress
from tests.browser_page import Watched
from tests.layout_shifts import layout_shift, watch_layout
from tests.live_server import LiveServer, TalkingTrainers

MOST_SHIFT = 0.05
SPEC = ExperimentSpec(seeds=[0, 1])


@dataclass(frozen=True, kw_only=True)
class Live:
    """A run that goes on, and its trainer."""

    experiment: str
    claim: Claim
    trainers: TalkingTrainers


@pytest.fixture
def live(deployment: LiveServer, dataset: str) -> Iterator[Live]:
    """An experiment whose first seed trains."""
    experiment = deployment.experiment(dataset, "watched while it runs", SPEC)
    trainers = deployment.trainers()
    trainers.work(limit=1)
    claim = trainers.begin_one()
    yield Live(experiment=experiment, claim=claim, trainers=trainers)
    httpx.post(f"{deployment.url}/v1/experiments/{experiment}/cancel")
    trainers.work()


def measure(deployment: LiveServer, claim: Claim, step: int, loss: float) -> None:
    """Store a point as a trainer's worker does."""
    run: dict[str, Any] = {"run_id": claim.run_id, "attempt": claim.attempt}
    with deployment.database.begin() as session:
        record_metrics(session, **run, points=[("train/loss", step, loss)])
        record_progress(session, **run, phase="train", steps_done=step, steps_total=900, epoch=1, epochs=4, eta_s=9.0)


def test_only_new_points_of_a_live_run_are_asked_for_and_its_plot_stays(
    live: Live, deployment: LiveServer, watched: Watched
) -> None:
    page = watched.open(f"#/runs/{live.claim.run_id}")
    loss = page.locator("figure.chart", has=page.get_by_role("heading", name="Loss", exact=True))
    loss.scroll_into_view_if_needed()
    canvas = loss.locator("canvas").element_handle()
    answers: list[Request] = []
    page.on("requestfinished", lambda request: answers.append(request) if "/metrics?" in request.url else None)

    for step, value in ((700, 0.1234), (701, 9.4321)):
        measure(deployment, live.claim, step, value)
        expect(loss.locator(".legend")).to_contain_text(f"{value:.4f}")

    expect(loss.locator(".plot")).to_have_attribute("data-highest", "9.4321")
    assert page.evaluate("canvas => canvas.isConnected", canvas)
    assert answers
    for request in answers:
        assert "since_s=" in request.url
        response = request.response()
        assert response is not None
        assert all(len(curve["steps"]) < 40 for curve in response.json()["curves"])


def test_a_chart_out_of_sight_is_drawn_when_it_is_scrolled_to(live: Live, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 1440, "height": 300})
    watched.open(f"#/runs/{live.claim.run_id}")
    last = page.locator("figure.chart").last
    expect(last.locator(".legend li").first).to_be_attached()
    assert last.locator("canvas").count() == 0

    last.scroll_into_view_if_needed()

    expect(last.locator("canvas")).to_be_visible()


def test_nothing_moves_on_the_pages_of_an_experiment_and_its_run_while_they_go_on(
    live: Live, deployment: LiveServer, watched: Watched
) -> None:
    places = [
        f"#/runs/{live.claim.run_id}",
        *(f"#/experiments/{live.experiment}?tab={tab}" for tab in ("seeds", "curves")),
    ]
    pages = {place: open_watching(watched, place) for place in places}
    for page in pages.values():
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("section.card").first).to_be_visible()
    for step in range(500, 503):
        measure(deployment, live.claim, step, 0.5)
        next(iter(pages.values())).wait_for_timeout(700)
    live.trainers.end(live.claim)
    while httpx.get(f"{deployment.url}/v1/experiments/{live.experiment}/status").json()["conclusion"] is None:
        live.trainers.work(limit=2)
    expect(pages[places[0]].locator("h1")).to_contain_text(re.compile("succeeded", re.IGNORECASE))
    for place in places[1:]:
        expect(pages[place].locator("h1 + *")).to_contain_text("Ship")

    for place, page in pages.items():
        total, shifts = layout_shift(page)
        assert total <= MOST_SHIFT, (place, [shift for shift in shifts if shift[0] > 0.001])


def open_watching(watched: Watched, place: str) -> Page:
    """Return a page of its own on which every shift is recorded."""
    page = watched.page.context.new_page()
    watch_layout(page)
    page.goto(f"{watched.url}/{place}")
    return page
