"""What moves on a page without a person's doing.

Source:
    Layout Instability, https://wicg.github.io/layout-instability/; https://web.dev/articles/cls.
"""

from playwright.sync_api import Page

OBSERVE = """
window.layoutShifts = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    const moved = entry.sources.map(({node}) => node && (node.className || node.nodeName));
    if (!entry.hadRecentInput) layoutShifts.push([entry.value, moved.join(' ')]);
  }
}).observe({type: 'layout-shift', buffered: true});
"""


def watch_layout(page: Page) -> None:
    """Record what moves on every page that is opened from now on."""
    page.add_init_script(OBSERVE)


def layout_shift(page: Page) -> tuple[float, list[tuple[float, str]]]:
    """Return the sum of all shifts so far, and each with what moved."""
    found: list[tuple[float, str]] = page.evaluate("layoutShifts")
    return sum(value for value, _ in found), found
