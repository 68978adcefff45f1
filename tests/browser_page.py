"""A browser's page, and everything wrong that happens on it."""

from playwright.sync_api import ConsoleMessage, Page, Request


class Watched:
    """A page, and everything wrong that happened on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.wrong: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._asked)

    def open(self, place: str) -> Page:
        """Go to a place of the dashboard."""
        self.page.goto(f"{self.url}/{place}")
        return self.page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.wrong.append(f"asked another host: {request.url}")
