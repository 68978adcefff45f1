"""The API reference at `/docs`, in a real browser: this service's routes, and nobody else is asked."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser_page import Watched
from tests.live_server import run_live_server


def test_the_reference_shows_the_routes_of_this_service_within_its_policy(
    watched: Watched,
) -> None:
    page = watched.open("docs")

    expect(page.locator(".opblock-tag")).to_have_count(10)
    page.locator(".opblock-tag", has_text="experiments").first.click()
    route = page.locator("#operations-experiments-submit_experiment")
    expect(route).to_contain_text("/v1/experiments")
    route.locator(".opblock-summary").click()
    expect(route).to_contain_text("Idempotency-Key")
    assert watched.wrong == []


def test_the_dashboard_loads_nothing_of_what_draws_the_reference(first_visit: Watched) -> None:
    asked: list[str] = []
    first_visit.page.on("request", lambda request: asked.append(request.url))

    page = first_visit.open("")

    expect(page.locator("main")).to_be_visible()
    page.wait_for_timeout(1000)
    assert [url for url in asked if "index-" in url]
    assert [url for url in asked if "docs" in url] == []


def test_who_is_not_signed_in_is_told_where_to(tmp_path: Path, browser: Browser) -> None:
    with run_live_server(tmp_path, token="a secret of 32 characters or more") as locked:
        page = browser.new_page()
        page.goto(f"{locked.url}/docs")
        expect(page.get_by_role("alert")).to_contain_text("the request has no bearer token")
        expect(page.get_by_role("link", name="Sign in on the dashboard")).to_have_attribute("href", "/")
        page.close()
