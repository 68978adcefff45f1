"""A picture of a function's graph: rows in source order, control flow on their left, data flow on their right.

No edge runs through a text: each has a lane beside the rows.
"""

import textwrap
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from cellgate.contract.errors import SpecError
from trainers.data.pictures.layout import Layout, NodeLine, Wire, lanes_of, layout_of
from trainers.data.pictures.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Lengths in inches, as one unit of the axes is one inch.
ROW = 0.4
BOX = 0.27
INDENT = 0.3
PADDING = 0.08
LANE = 0.17
NAME_GAP = 0.05
MARGIN = 0.3
FONT_POINTS = 9
LETTER = 0.61 * FONT_POINTS / 72
MAX_LETTERS = 76
MAX_NAME_LETTERS = 24
# What a renderer takes; a taller picture is drawn with fewer dots per inch.
MAX_PIXELS = 30_000
DPI = 130
FORWARD, BACKWARD, FAINT, FILL = "#333333", "#b03030", "#9a9a9a", "#f6f6f2"
CAPTION = "left: control (red: upwards)   right, dashed: a value and its uses   ↺: used where it is given"
# Distinct for people with colour blindness (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a5195")


def draw(view: View, out: Path, *, every_node: bool = False) -> None:
    """Write the picture of a function as PNG.

    Args:
        every_node: Show every node, with syntax and token order; else the statements.

    Raises:
        SpecError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SpecError("a picture needs matplotlib; install it with `pip install 'cellgate[pictures]'`") from error
    sheet = _Sheet(layout_of(view, every_node=every_node))
    size = (sheet.left + sheet.right, sheet.height)
    figure = Figure(figsize=size, dpi=min(DPI, MAX_PIXELS / max(size)))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-sheet.left, sheet.right)
    axes.set_ylim(ROW / 2 + MARGIN - sheet.height, ROW / 2 + MARGIN)
    axes.set_axis_off()
    sheet.draw(axes)
    try:
        figure.savefig(out, format="png")
    except OSError as error:
        raise SpecError(f"{out}: the picture cannot be written ({error}); choose another place") from error


class _Sheet:
    """A layout with its measures."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._texts = [_text(row) for row in layout.rows]
        self._jump_lanes = lanes_of(layout.jumps)
        self._value_lanes = lanes_of(layout.values)
        self._names = [
            textwrap.shorten(_drawable(wire.name), MAX_NAME_LETTERS, placeholder="…") for wire in layout.values
        ]
        self.left = MARGIN + LANE * (2 + max(self._jump_lanes, default=0))
        ends = [self._box_end(place) + LETTER * len(self._own(place)) for place in range(len(layout.rows))]
        self._lane_x, self.right = self._value_columns(max(ends) + MARGIN)
        self.right = max(self.right, LETTER * len(CAPTION))
        self.height = ROW * (len(layout.rows) + 1) + 2 * MARGIN

    def _box_start(self, place: int) -> float:
        return INDENT * self._layout.rows[place].depth

    def _box_end(self, place: int) -> float:
        return self._box_start(place) + LETTER * len(self._texts[place]) + 2 * PADDING

    def _own(self, place: int) -> str:
        names = [_drawable(name) for name in self._layout.own_values.get(place, [])]
        return f"  ↺ {', '.join(names)} " if names else ""

    def _value_columns(self, start: float) -> tuple[list[float], float]:
        """Return where each lane of data flow is, and where the sheet ends; a lane is as wide as its names."""
        columns = []
        for lane in range(1 + max(self._value_lanes, default=-1)):
            columns.append(start)
            letters = max(len(name) for name, own in zip(self._names, self._value_lanes, strict=True) if own == lane)
            start += LANE + NAME_GAP + LETTER * letters
        return columns, start + MARGIN

    def draw(self, axes: "Axes") -> None:
        """Draw the rows and every edge."""
        self._draw_syntax(axes)
        for place, text in enumerate(self._texts):
            self._draw_row(axes, place, text)
        for place in self._layout.steps:
            x = max(self._box_start(place - 1), self._box_start(place)) + INDENT / 2
            _arrow(axes, [(x, -ROW * (place - 1) - BOX / 2), (x, -ROW * place + BOX / 2)], FORWARD)
        for wire, lane in zip(self._layout.jumps, self._jump_lanes, strict=True):
            self._draw_jump(axes, wire, -LANE * (lane + 1.5))
        self._draw_values(axes)
        _write(axes, 0, -ROW * len(self._layout.rows) - ROW / 4, CAPTION, FAINT)

    def _draw_row(self, axes: "Axes", place: int, text: str) -> None:
        from matplotlib.patches import FancyBboxPatch

        x, y = self._box_start(place), -ROW * place
        width = self._box_end(place) - x
        style = "round,pad=0,rounding_size=0.05"
        box = FancyBboxPatch((x, y - BOX / 2), width, BOX, boxstyle=style, facecolor=FILL, edgecolor=FAINT, zorder=2)
        axes.add_patch(box)
        _write(axes, x + PADDING, y, text, "black")
        _write(axes, x + width, y, self._own(place), FORWARD)

    def _draw_jump(self, axes: "Axes", wire: Wire, lane_x: float) -> None:
        colour = FORWARD if max(wire.ends) > min(wire.starts) else BACKWARD
        for start in wire.starts:
            for end in wire.ends:
                # Control leaves in the lower half of a row and arrives in the upper one.
                leaving, arriving = -ROW * start - BOX / 5, -ROW * end + BOX / 5
                path = [(self._box_start(start), leaving), (lane_x, leaving), (lane_x, arriving)]
                _arrow(axes, [*path, (self._box_start(end), arriving)], colour)

    def _draw_values(self, axes: "Axes") -> None:
        heights = self._value_heights()
        names = list(dict.fromkeys(wire.name for wire in self._layout.values))
        for number, (wire, lane) in enumerate(zip(self._layout.values, self._value_lanes, strict=True)):
            colour, x, start = COLOURS[names.index(wire.name) % len(COLOURS)], self._lane_x[lane], wire.starts[0]
            leaving = heights[number, start]
            for end in wire.ends:
                arriving = heights[number, end]
                path = [(self._end_of_row(start), leaving), (x, leaving), (x, arriving)]
                _arrow(axes, [*path, (self._end_of_row(end), arriving)], colour, dashed=True)
            towards = 0.5 if max(wire.ends) > start else -0.5
            _write(axes, x + NAME_GAP, -ROW * (start + towards), self._names[number], colour)

    def _end_of_row(self, place: int) -> float:
        return self._box_end(place) + LETTER * len(self._own(place))

    def _value_heights(self) -> dict[tuple[int, int], float]:
        """Return at which height each wire meets each of its rows: beside one another, not on one another."""
        meeting: dict[int, list[int]] = defaultdict(list)
        for number, wire in enumerate(self._layout.values):
            for place in (*wire.starts, *wire.ends):
                meeting[place].append(number)
        return {
            (number, place): -ROW * place + BOX * (0.5 - (slot + 1) / (len(numbers) + 1))
            for place, numbers in meeting.items()
            for slot, number in enumerate(numbers)
        }

    def _draw_syntax(self, axes: "Axes") -> None:
        for place, parent in enumerate(self._layout.parents):
            if parent >= 0:
                x = self._box_start(parent) + INDENT / 3
                axes.plot(
                    [x, x, self._box_start(place)], [-ROW * parent, -ROW * place, -ROW * place], color=FAINT, lw=0.8
                )
        for before, after in zip(self._layout.leaves, self._layout.leaves[1:], strict=False):
            # From the end of one token to the end of the next one.
            ends = [(self._box_end(place), -ROW * place) for place in (before, after)]
            bend = max(ends)[0] + PADDING
            _arrow(axes, [ends[0], (bend, ends[0][1]), (bend, ends[1][1]), ends[1]], FAINT, dotted=True)


def _text(row: NodeLine) -> str:
    return f"{row.line:>3}  " + textwrap.shorten(_drawable(row.text), MAX_LETTERS, placeholder=" …")


def _drawable(text: str) -> str:
    """Return a text with a question mark for every letter that the font may lack."""
    return "".join(letter if letter in "…" or (letter.isprintable() and letter < "\u0100") else "?" for letter in text)


def _write(axes: "Axes", x: float, y: float, text: str, colour: str) -> None:
    # A dollar sign in code is no formula.
    axes.text(x, y, text, family="monospace", size=FONT_POINTS, va="center", color=colour, parse_math=False, zorder=4)


def _arrow(
    axes: "Axes", path: list[tuple[float, float]], colour: str, *, dashed: bool = False, dotted: bool = False
) -> None:
    """Draw straight pieces from point to point, the last one with a head."""
    style = "dashed" if dashed else "dotted" if dotted else "solid"
    axes.plot([x for x, _ in path], [y for _, y in path], color=colour, lw=1.1, ls=style, zorder=1)
    head = {"arrowstyle": "-|>", "color": colour, "lw": 0, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    axes.annotate("", xy=path[-1], xytext=path[-2], arrowprops=head, zorder=3)
