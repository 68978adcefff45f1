"""Attribution by occlusion: how far the log-odds fall without each line of a function.

Source:
    Occlusion: Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2; of words, as the drop in log-odds: Li, Monroe and
    Jurafsky 2016, "Understanding Neural Networks through Representation Erasure", arXiv 1612.08220, section 3.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Named in every output, beside what it found.
METHOD = "occlusion of lines: drop in the log-odds of the verdict without them"
# A longer function is divided into so many runs of lines, each left out as one.
MAX_OCCLUSIONS = 64
_QUOTE = re.compile(r"[\"']")
# Possessive: what is no whole string fails at once.
_STRINGS = {'"': re.compile(r'"(?:\\.|[^"\\])*+"'), "'": re.compile(r"'(?:\\.|[^'\\])*+'")}


@dataclass(frozen=True, kw_only=True)
class Occlusion:
    """A function without some of its lines.

    Args:
        start_line: The first line that is left out, from 1 within the function.
        end_line: The last one.
        source: What is left. Braces stay, so that the rest still parses.
    """

    start_line: int
    end_line: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Weight:
    """How much some lines of a function added to the log-odds of "vulnerable", lines from 1 within the function."""

    start_line: int
    end_line: int
    log_odds: float


def occlusions(source: str) -> list[Occlusion]:
    """Return the function without each of its lines in turn; its head and lines without a word stay.

    Args:
        source: With line ends as `\\n`.
    """
    lines = source.split("\n")
    head = next((number for number, line in enumerate(lines, start=1) if "{" in line), len(lines))
    telling = [n for n, line in enumerate(lines, start=1) if n > head and any(map(str.isalnum, line))]
    size = -(-len(telling) // MAX_OCCLUSIONS) or 1
    return [_without(lines, telling[first : first + size]) for first in range(0, len(telling), size)]


def _without(lines: Sequence[str], numbers: Sequence[int]) -> Occlusion:
    left = list(lines)
    for number in numbers:
        left[number - 1] = "".join(re.findall(r"[{}]", _without_strings(lines[number - 1])))
    return Occlusion(start_line=numbers[0], end_line=numbers[-1], source="\n".join(left))


def _without_strings(line: str) -> str:
    """Return a line without its strings and characters; a quote that nothing closes stays.

    Linear: where one quote is not closed, none of its kind that follows is, since each that might be closed would have
    closed it.
    """
    kept, at, unclosed = [], 0, set[str]()
    while (quote := _QUOTE.search(line, at)) is not None:
        mark = quote.group()
        string = None if mark in unclosed else _STRINGS[mark].match(line, quote.start())
        kept.append(line[at : quote.start()])
        if string is None:
            unclosed.add(mark)
            kept.append(mark)
            at = quote.end()
        else:
            at = string.end()
    return "".join([*kept, line[at:]])


def rank_occlusions(occluded: Sequence[Occlusion], *, log_odds: float, without: Sequence[float]) -> tuple[Weight, ...]:
    """Return the occlusions that lower the log-odds, largest effect first.

    Args:
        log_odds: Of the whole function.
        without: Of each occlusion.
    """
    weights = [
        Weight(start_line=part.start_line, end_line=part.end_line, log_odds=log_odds - left)
        for part, left in zip(occluded, without, strict=True)
    ]
    return tuple(sorted((w for w in weights if w.log_odds > 0), key=lambda w: (-w.log_odds, w.start_line)))
