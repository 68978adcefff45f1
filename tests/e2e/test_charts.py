"""Curves in a real browser: a chart shows measured values only, and says what it left out."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from cellgate.contract.experiment import ExperimentSpec
from service.store.recorder import record_metrics
from tests.browser_page import Watched
from tests.live_server import LiveServer

POINTS = 5_000
SPIKE = 60.0


@pytest.fixture(scope="module")
def run(deployment: LiveServer, dataset: str) -> str:
    """A run whose loss has one spike among 5,000 points, and whose head's gradient vanishes."""
    experiment = deployment.experiment(dataset, "long", ExperimentSpec(seeds=[0]))
    trainers = deployment.trainers()
    trainers.work(limit=1)
    claim = trainers.begin_one()
    steps = range(1_000, 1_000 + POINTS)
    points = [("train/loss", step, SPIKE if step == 3_333 else 0.25) for step in steps]
    points += [("grad_norm/head", step, 0.0 if step > 1_200 else 0.5) for step in range(1_000, 1_400)]
    points += [("lr/all", step, 1e-3 + 1e-9 * (step % 2)) for step in range(1_000, 1_400)]
    points += [("surprise/value", step, 7.0) for step in range(1_000, 1_010)]
    with deployment.database.begin() as session:
        record_metrics(session, run_id=claim.run_id, attempt=claim.attempt, points=points)
    trainers.end(claim)
    trainers.work()
    return deployment.run_of(experiment, "51", 0)


@pytest.fixture
def page(run: str, watched: Watched) -> Page:
    """The run's page."""
    return watched.open(f"#/runs/{run}")


def chart(page: Page, title: str) -> Locator:
    return page.locator("figure.chart", has=page.get_by_role("heading", name=title, exact=True))


def test_the_drawn_maximum_is_the_measured_one_and_the_chart_says_what_it_left_out(page: Page) -> None:
    loss = chart(page, "Loss")
    expect(loss.locator(".plot")).to_have_attribute("data-highest", str(int(SPIKE)))
    expect(loss.get_by_role("img")).to_have_accessible_name(re.compile("highest 60.0000"))
    expect(loss.locator("figcaption")).to_contain_text("of 5,064 points a curve")


def test_a_gradient_that_falls_to_zero_stays_on_its_logarithmic_chart(page: Page) -> None:
    norms = chart(page, "Gradient norms before clipping")
    expect(norms.locator(".legend li", has_text="grad_norm/head")).to_contain_text("0.00")
    expect(norms.get_by_role("img")).to_have_accessible_name(re.compile("Lowest 0.00,"))


def test_a_key_that_belongs_to_no_group_appears_under_other(page: Page) -> None:
    expect(chart(page, "Other").locator(".legend")).to_contain_text("surprise/value")


def test_a_part_that_is_selected_is_read_again_with_all_its_points(page: Page) -> None:
    loss = chart(page, "Loss")
    expect(loss.locator("figcaption")).to_contain_text("points a curve")
    area = loss.locator(".u-over").bounding_box()
    assert area is not None
    middle = area["y"] + area["height"] / 2
    with page.expect_request(re.compile(r"max_points=\d{4,}")):
        page.mouse.move(area["x"] + area["width"] * 0.4, middle)
        page.mouse.down()
        page.mouse.move(area["x"] + area["width"] * 0.5, middle, steps=4)
        page.mouse.up()
    expect(loss.locator("figcaption")).not_to_contain_text("points a curve")
    loss.get_by_role("button", name="Show all").click()
    expect(loss.locator("figcaption")).to_contain_text("points a curve")
