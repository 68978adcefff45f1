"""The dashboard hides the same characters as every other text surface."""

import re
import sys
from pathlib import Path

from cellgate.contract.visible import visible

SOURCE = Path(__file__).resolve().parents[3] / "web" / "src" / "visible.ts"
RANGE = re.compile(r"\\\\u\{([0-9a-f]+)\}(?:-\\\\u\{([0-9a-f]+)\})?")


def test_the_dashboard_shows_the_same_characters_as_escapes() -> None:
    pattern = SOURCE.read_text("utf-8").partition("new RegExp(")[2].partition(");")[0]
    ranges = [(int(first, 16), int(last or first, 16)) for first, last in RANGE.findall(pattern)]
    there = {code for first, last in ranges for code in range(first, last + 1)}

    assert there == {code for code in range(sys.maxunicode + 1) if visible(chr(code)) != chr(code)}
