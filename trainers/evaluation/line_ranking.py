"""How soon a ranking of lines leads to the vulnerable ones.

Source:
    Top-10 accuracy, initial false alarm and Effort@20%Recall: Fu and Tantithamthavorn 2022, "LineVul: A
    Transformer-based Line-Level Vulnerability Prediction", MSR 2022, section 4.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from statistics import fmean, median

TOP = 10
RECALL = 0.2
# A random order is drawn so often, and the measures averaged.
DRAWS = 100


@dataclass(frozen=True, kw_only=True)
class LinesToRank:
    """A vulnerable function whose vulnerable lines are known.

    Args:
        probability: That it is vulnerable; decides which function is read first.
        lines: Text of each line, the first one line 1.
        flaws: Numbers of the vulnerable lines, at least one.
        weights: How much each line weighs, by number; a line that is not in it weighs nothing.
    """

    probability: float
    lines: Sequence[str]
    flaws: frozenset[int]
    weights: dict[int, float]

    @property
    def telling(self) -> list[int]:
        """The lines that are ranked: those that say anything."""
        return [number for number, line in enumerate(self.lines, start=1) if any(map(str.isalnum, line))]


@dataclass(frozen=True, kw_only=True)
class RankingMeasures:
    """How good a ranking is, over all functions.

    Args:
        top_10: Share of functions with a vulnerable line among the first ten; more is better.
        false_alarms: Lines before the first vulnerable one, the median over functions; fewer are better.
        effort: Share of all lines that are read until a fifth of the vulnerable lines is found, where functions are
            read by falling probability and their lines by rank; less is better.
    """

    top_10: float
    false_alarms: float
    effort: float

    def beats(self, other: "RankingMeasures") -> dict[str, bool]:
        """Return by measure whether this ranking is better, not merely as good."""
        return {
            "top_10": self.top_10 > other.top_10,
            "false_alarms": self.false_alarms < other.false_alarms,
            "effort": self.effort < other.effort,
        }


Order = Callable[[LinesToRank], list[int]]


def by_weight(function: LinesToRank) -> list[int]:
    """Return the lines by falling weight, equal ones in their order."""
    return sorted(function.telling, key=lambda number: -function.weights.get(number, 0.0))


def by_length(function: LinesToRank) -> list[int]:
    """Return the longest lines first, without the blanks around them."""
    return sorted(function.telling, key=lambda number: -len(function.lines[number - 1].strip()))


def measure(functions: Sequence[LinesToRank], order: Order) -> RankingMeasures:
    """Measure one ranking.

    Args:
        functions: At least one, each with a vulnerable line that is ranked.
        order: Ranks the lines of one.
    """
    ranked = [(function, order(function)) for function in functions]
    first = [
        next(place for place, number in enumerate(lines) if number in function.flaws) for function, lines in ranked
    ]
    return RankingMeasures(
        top_10=fmean(place < TOP for place in first), false_alarms=median(first), effort=_effort(ranked)
    )


def measure_random(functions: Sequence[LinesToRank], *, seed: int = 0) -> RankingMeasures:
    """Measure rankings at random, and average."""
    random = Random(seed)

    def shuffled(function: LinesToRank) -> list[int]:
        lines = function.telling
        random.shuffle(lines)
        return lines

    drawn = [measure(functions, shuffled) for _ in range(DRAWS)]
    return RankingMeasures(
        top_10=fmean(one.top_10 for one in drawn),
        false_alarms=fmean(one.false_alarms for one in drawn),
        effort=fmean(one.effort for one in drawn),
    )


def _effort(ranked: Sequence[tuple[LinesToRank, list[int]]]) -> float:
    wanted = RECALL * sum(len(function.flaws.intersection(lines)) for function, lines in ranked)
    total = sum(len(lines) for _, lines in ranked)
    found = 0
    for place, is_flaw in enumerate(_read(ranked), start=1):
        found += is_flaw
        if found >= wanted:
            return place / total
    return 1.0


def _read(ranked: Sequence[tuple[LinesToRank, list[int]]]) -> Iterable[bool]:
    """Yield of each line, in the order in which they are read, whether it is vulnerable."""
    for function, lines in sorted(ranked, key=lambda one: -one[0].probability):
        for number in lines:
            yield number in function.flaws


def removed_lines(vulnerable: str, patched: str) -> frozenset[int]:
    """Return the numbers of the lines that a patch removes or changes; blank ones and white space do not count."""
    before, after = ([" ".join(line.split()) for line in source.split("\n")] for source in (vulnerable, patched))
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    return frozenset(
        number + 1
        for kind, first, last, _, _ in matcher.get_opcodes()
        if kind in {"replace", "delete"}
        for number in range(first, last)
        if any(map(str.isalnum, before[number]))
    )
