"""Attribution by occlusion: how far the log-odds fall without each line of a function.

Source:
    Occlusion: Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2; of words, as the drop in log-odds: Li, Monroe and
    Jurafsky 2016, "Understanding Neural Networks through Representation Erasure", arXiv 1612.08220, section 3.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trainers.engine.metrics import Floats

# Named in every output, beside what it found.
METHOD = "occlusion of lines: drop in the log-odds of the verdict without them"
# A function is divided into so many runs of lines, each left out as one; then the heaviest run in turn, down to a line.
# Leaving each line out by itself takes four times as long, which grows with the square of a function's length.
RUNS = 8
# Where the models hint at the lines that count, only so many of them are left out, each by itself: a third of the
# scorings. `docs/bundles.md` has what that costs.
HINTED = 4
# A model that mixes its tokens early hints at nothing in particular. Where the hinted lines explain less than this
# share of log-odds that are at least SURE, the function is divided into runs after all.
EXPLAINED = 0.1
SURE = 1.0
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


class Occluder:
    """Finds the lines of a function that weigh most: `next_parts` to score, then `take` their log-odds, until done.

    Args:
        source: With line ends as `\n`.
        log_odds: Of the whole function.
        leaning_L: How much each line seems to add to the verdict; null where nothing tells.
    """

    def __init__(self, source: str, *, log_odds: float, leaning_L: Floats | None = None) -> None:
        self._lines = source.split("\n")
        self._log_odds = log_odds
        self._telling = _telling(self._lines)
        hinted = [] if leaning_L is None or len(self._telling) <= HINTED else _first(self._telling, leaning_L)
        self._follows_hints = bool(hinted)
        self._waiting = hinted or _runs(self._telling)
        self._weighed: list[tuple[Sequence[int], float]] = []

    def next_parts(self) -> list[Occlusion]:
        """Return what is to be scored next; nothing when all is known."""
        return [_without(self._lines, run) for run in self._waiting]

    def take(self, log_odds: Sequence[float]) -> None:
        """Weigh the parts that were scored, and divide the heaviest of all, where it has several lines.

        Hinted lines that explain too little are forgotten: all lines are then divided into runs.

        Args:
            log_odds: Of each of the parts, in their order.
        """
        drops = [self._log_odds - without for without in log_odds]
        self._weighed += zip(self._waiting, drops, strict=True)
        self._waiting = []
        if not self._weighed:
            return
        heaviest = max(self._weighed, key=lambda weighed: weighed[1])
        if self._follows_hints and self._log_odds >= SURE and heaviest[1] < EXPLAINED * self._log_odds:
            self._weighed, self._waiting = [], _runs(self._telling)
        elif len(heaviest[0]) > 1 and heaviest[1] > 0:
            self._weighed.remove(heaviest)
            self._waiting = _runs(heaviest[0])
        self._follows_hints = False

    def weights(self) -> tuple[Weight, ...]:
        """Return the parts that lower the log-odds, largest effect first."""
        weights = [Weight(start_line=run[0], end_line=run[-1], log_odds=drop) for run, drop in self._weighed]
        return tuple(sorted((w for w in weights if w.log_odds > 0), key=lambda w: (-w.log_odds, w.start_line)))


def _telling(lines: Sequence[str]) -> list[int]:
    """Return the numbers of the lines that can be left out: not those of the head, nor those without a word."""
    head = next((number for number, line in enumerate(lines, start=1) if "{" in line), len(lines))
    return [n for n, line in enumerate(lines, start=1) if n > head and any(map(str.isalnum, line))]


def _first(numbers: Sequence[int], leaning_L: Floats) -> list[Sequence[int]]:
    ranked = sorted(numbers, key=lambda number: -leaning_L[number - 1])
    return [[number] for number in sorted(ranked[:HINTED])]


def _runs(numbers: Sequence[int]) -> list[Sequence[int]]:
    size = -(-len(numbers) // RUNS) or 1
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


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
