"""Where things stand in the report's charts: percentages of a line, points in a square."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cellgate.contract.evidence import CoveragePoint, OptionEvidence
from cellgate.contract.report import OptionReport, ReliabilityBin

# A threshold farther than this from what was measured is not drawn: it would press everything else together.
FAR = 0.2
TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A square chart of shares from 0 to 1 and the room for its axes, in units of its viewBox."""

    left: float = 42
    top: float = 8
    side: float = 200
    width: float = 250
    height: float = 242

    def x(self, share: float) -> float:
        """Return where a share stands from left to right."""
        return round(self.left + self.side * share, 2)

    def y(self, share: float) -> float:
        """Return where a share stands, 0 below and 1 above."""
        return round(self.top + self.side * (1 - share), 2)


FRAME = Frame()


@dataclass(frozen=True, kw_only=True)
class Line:
    """A piece of the axis of F1; places are percentages of its width."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return where a value stands."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    @property
    def ticks(self) -> list[float]:
        """Values to write below the axis."""
        return [self.low + (self.high - self.low) * place / (TICKS - 1) for place in range(TICKS)]


@dataclass(frozen=True, kw_only=True)
class Whiskers:
    """The axis on which all options stand, and the thresholds on it."""

    line: Line
    marks: Sequence[tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Precision over recall: one polyline and one operating point for each seed."""

    lines: Sequence[str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bin of a reliability diagram: a dot, and its way to the diagonal."""

    x: float
    y: float
    ideal_y: float


def whiskers(options: Sequence[OptionEvidence], marks: Sequence[tuple[str, float]]) -> Whiskers:
    """Return the axis that holds every option with its interval and seeds, and the thresholds that are not far."""
    ends = [
        value for option in options for value in (option.f1_interval.low, option.f1_interval.high, *option.f1_per_seed)
    ]
    low, high = min(ends), max(ends)
    near = [(name, value) for name, value in marks if low - FAR < value < high + FAR]
    values = [low, high, *(value for _, value in near)]
    return Whiskers(
        line=Line(low=max(0.0, _down(min(values) - 0.005)), high=min(1.0, _up(max(values) + 0.005))), marks=near
    )


def curves(option: OptionReport) -> Curves:
    """Return the curves of all seeds and where each seed's threshold puts it."""
    lines = [
        " ".join(f"{FRAME.x(point.recall)},{FRAME.y(point.precision)}" for point in curve) for curve in option.curves
    ]
    points = [(FRAME.x(of_seed.gate.recall), FRAME.y(of_seed.gate.precision)) for of_seed in option.seeds]
    return Curves(lines=lines, points=points)


def risk_by_coverage(points: Sequence[CoveragePoint]) -> str:
    """Return the line of the share of wrong verdicts over the share of functions that have one."""
    return " ".join(f"{FRAME.x(point.coverage)},{FRAME.y(point.risk)}" for point in points)


def reliability(bins: Sequence[ReliabilityBin]) -> list[Bar]:
    """Return where each bin stands, and where it would if its probability were right."""
    return [
        Bar(x=FRAME.x(one.probability), y=FRAME.y(one.vulnerable), ideal_y=FRAME.y(one.probability)) for one in bins
    ]


def _down(value: float) -> float:
    return math.floor(value * 50) / 50


def _up(value: float) -> float:
    return math.ceil(value * 50) / 50
