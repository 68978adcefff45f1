"""A browser's page, and everything wrong that happens on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import ConsoleMessage, Error, Page, Request

VIEWPORT = {"width": 1280, "height": 900}
# Of the service, and nothing of the dashboard: its own storage can be emptied there, and nothing asks the API.
ASIDE = "livez"


class Watched:
    """A page, and everything wrong that happened on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.wrong: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", self._failed)
        page.on("request", self._asked)

    def open(self, place: str) -> Page:
        """Go to a place of the dashboard."""
        self.page.goto(f"{self.url}/{place}")
        return self.page

    def leave(self) -> None:
        """Leave the page to whoever uses it next, as if nobody had been there but for the browser's own cache."""
        # Whatever went wrong before this answer has been heard.
        self.page.evaluate("0")
        for event, heard in (("console", self._heard), ("pageerror", self._failed), ("request", self._asked)):
            self.page.remove_listener(event, heard)
        for other in self.page.context.pages:
            if other != self.page:
                other.close()
        self.page.unroute_all()
        self.open(ASIDE)
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.page.context.clear_cookies()
        self.page.emulate_media(color_scheme="light")

    def _failed(self, error: Error) -> None:
        self.wrong.append(f"error: {error}")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.wrong.append(f"asked another host: {request.url}")


@contextmanager
def watched_tab(tab: Page, url: str, *, width: int = VIEWPORT["width"]) -> Iterator[Watched]:
    """Yield a tab as new, watched, in a window of this width; it is left to the next who uses it.

    A tab of each test's own took 2 s of CPU: Chromium starts a process for it that compiles the dashboard anew.
    """
    tab.set_viewport_size({"width": width, "height": VIEWPORT["height"]})
    found = Watched(tab, url)
    try:
        yield found
    finally:
        found.leave()
