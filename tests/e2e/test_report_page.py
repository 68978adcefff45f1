"""The report over the seeds in a real browser: reached from the dashboard, drawn under its own policy, readable."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cellgate.contract.experiment import ExperimentSpec
from tests.browser_page import Watched
from tests.fakes import F1s
from tests.live_server import LiveServer, run_live_server

SPEC = ExperimentSpec(seeds=[0, 1])
F1S: F1s = {"transformer": [0.90, 0.91], "gnn": [0.88, 0.89], "ensemble": [0.93, 0.94], "fusion": [0.95, 0.95]}
TOKEN = "a secret of 32 characters or more"


@pytest.fixture
def weighed(deployment: LiveServer, dataset: str) -> str:
    """An experiment that cell 54 has weighed."""
    experiment = deployment.experiment(dataset, "weighed", SPEC)
    deployment.trainers(F1S).work()
    return experiment


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wider


def test_the_dashboard_opens_the_report_in_a_tab_of_its_own(weighed: str, watched: Watched) -> None:
    page = watched.open(f"#/experiments/{weighed}")

    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the report").click()

    report = opened.value
    expect(report).to_have_title("weighed · Report over seeds")
    expect(report.get_by_role("heading", name="Ship the ensemble")).to_be_visible()
    for section in (
        "Gate pass",
        "Options on the gate split",
        "Compared in pairs",
        "Precision and recall",
        "Whose errors",
    ):
        expect(report.get_by_role("region", name=section)).to_be_visible()


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 390),
        ("dark", 1200),
        pytest.param("light", 1200, marks=pytest.mark.slow),
        pytest.param("dark", 390, marks=pytest.mark.slow),
    ],
)
def test_the_report_is_styled_by_its_own_sheet_and_fits_the_window(
    weighed: str, watched: Watched, scheme: str, width: int
) -> None:
    page = watched.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})

    watched.open(f"v1/experiments/{weighed}/report.html")

    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(17, 20, 26)" if scheme == "dark" else "rgb(245, 246, 248)")
    assert overflow(page) == 0
    # A box for each option's curve, none of them squeezed away.
    boxes = [chart.bounding_box() for chart in page.locator("#curves svg").all()]
    assert len(boxes) == 3
    assert all(box is not None and box["width"] > 120 and box["height"] > 110 for box in boxes)


def test_who_is_signed_in_opens_the_report_by_its_link_and_nobody_else_does(tmp_path: Path, browser: Browser) -> None:
    with run_live_server(tmp_path, token=TOKEN) as locked:
        experiment = locked.experiment(locked.dataset(), "weighed", SPEC)
        locked.trainers(F1S).work()
        page = browser.new_page()
        watched = Watched(page, locked.url)
        watched.open("")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="weighed")).to_be_visible()
        watched.open(f"#/experiments/{experiment}")

        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Open the report").click()

        report = opened.value
        expect(report.get_by_role("heading", name="Ship the ensemble")).to_be_visible()
        file = tmp_path / "saved.html"
        file.write_text(report.content(), "utf-8")
        page.context.close()
        stranger = browser.new_page()
        refused = stranger.goto(report.url)
        assert refused is not None
        assert refused.status == 401
        stranger.close()
    # and the page, saved, needs nobody to be read
    alone = browser.new_page()
    alone.goto(file.as_uri())
    expect(alone.get_by_role("heading", name="Ship the ensemble")).to_be_visible()
    assert alone.evaluate("getComputedStyle(document.querySelector('.badge')).borderRadius") == "99px"
    alone.close()
