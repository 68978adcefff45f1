"""Accessibility rules checked on a page by axe-core.

Source:
    axe-core, https://github.com/dequelabs/axe-core (rules of WCAG 2.2 A and AA, and best practices).
"""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).resolve().parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RUN = "() => axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"


@cache
def _source() -> str:
    return AXE.read_text("utf-8")


def violations(page: Page) -> list[str]:
    """Return the rules that the page breaks, each with the places where it does."""
    # By the debugger's evaluation: the page's content security policy refuses scripts that are not its own.
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(_source())
    found: list[dict[str, Any]] = page.evaluate(RUN)
    return [
        f"{broken['id']}: {node['target']} {node['failureSummary']}" for broken in found for node in broken["nodes"]
    ]
