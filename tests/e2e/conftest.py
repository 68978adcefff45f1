"""A real browser, and the real API over a database of each module's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser_page import VIEWPORT, Watched, watched_tab
from tests.live_server import LiveServer, run_live_server

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, waited for as long as a busy machine needs."""
    expect.set_options(timeout=PATIENCE_MS)
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        if program is None and not Path(playwright.chromium.executable_path).exists():
            pytest.fail("there is no Chromium on this machine: `make browser` installs one")
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The API over a database of this module's own."""
    with run_live_server(tmp_path_factory.mktemp("deployment")) as running:
        yield running


@pytest.fixture(scope="module")
def dataset(deployment: LiveServer) -> str:
    """A data set that is ready."""
    made = deployment.dataset("functions")
    deployment.trainers().work()
    return made


@pytest.fixture(scope="module")
def one_tab(browser: Browser) -> Iterator[Page]:
    """The tab that a module's tests use one after another."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def watched(one_tab: Page, deployment: LiveServer) -> Iterator[Watched]:
    """A page as if it were new; at the end nothing may have gone wrong on it: errors, CSP violations, other hosts."""
    with watched_tab(one_tab, deployment.url) as found:
        yield found
    assert found.wrong == []


@pytest.fixture
def first_visit(browser: Browser, deployment: LiveServer) -> Iterator[Watched]:
    """The same, of a browser that has kept nothing of the dashboard."""
    context = browser.new_context(viewport=VIEWPORT)
    found = Watched(context.new_page(), deployment.url)
    yield found
    context.close()
    assert found.wrong == []
