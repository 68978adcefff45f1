"""`cellgate metrics`: a run's curves in the terminal."""

from typing import Annotated

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.spec_files import BadInput
from cellgate.contract.api.runs import Curve

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 40
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run (run_…).")]


def metrics(
    context: typer.Context,
    run: RunId,
    key: Annotated[list[str] | None, typer.Option(help="Only this curve, e.g. dev/f1; may be given again.")] = None,
    points: Annotated[int | None, typer.Option(min=4, help="Of each curve at most so many; its peaks stay.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's curves: each drawn small, with its last, lowest and highest value."""
    with client_of(context) as client:
        found = client.metrics(run, keys=key or (), max_points=points)
    if missing := set(key or ()) - {curve.key for curve in found.curves}:
        raise BadInput(f"{run} has no curve {', '.join(sorted(missing))}; `cellgate metrics {run}` shows those it has")
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    numbers = ("points", "last", "lowest", "at step", "highest", "at step")
    table = tables.table("curve", "", *numbers, numbers=numbers)
    for curve in found.curves:
        table.add_row(*_row(curve))
    tables.terminal().print(table)


def _row(curve: Curve) -> list[str]:
    low, high = min(curve.values), max(curve.values)
    return [
        escape(curve.key),
        drawn(curve.values),
        str(curve.points),
        f"{curve.values[-1]:.4g}",
        f"{low:.4g}",
        str(curve.steps[curve.values.index(low)]),
        f"{high:.4g}",
        str(curve.steps[curve.values.index(high)]),
    ]


def drawn(values: list[float], width: int = WIDTH) -> str:
    """Return values as a line of bars, each the mean of its share of them.

    Args:
        values: At least one.
        width: Bars at most.
    """
    bars = min(width, len(values))
    shares = [values[len(values) * i // bars : len(values) * (i + 1) // bars] for i in range(bars)]
    means = [sum(share) / len(share) for share in shares]
    low, high = min(means), max(means)
    if high == low:
        return BARS[0] * bars
    return "".join(BARS[round((mean - low) / (high - low) * (len(BARS) - 1))] for mean in means)
