"""Results as a Markdown table: a line per figure, a column per peer."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ERROR_LENGTH = 160


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the table.

    Args:
        title: With the unit.
        path: Where the figure lies in a round's result.
        scale: From the figure's unit to the title's.
    """

    title: str
    path: str
    scale: float = 1.0


def _requests(title: str, path: str, *figures: str) -> list[Line]:
    known = {
        "p50": ("p50, ms", "latencies.p50_ms"),
        "p99": ("p99, ms", "latencies.p99_ms"),
        "rate": ("per s", "requests_per_s"),
        "cpu": ("server CPU, ms each", "server_cpu_ms_per_request"),
    }
    return [Line(title=f"{title}: {known[name][0]}", path=f"{path}.{known[name][1]}") for name in figures]


def _execution(title: str, path: str) -> list[Line]:
    return [
        Line(title=f"{title}: first start, s", path=f"{path}.first_start_s"),
        Line(title=f"{title}: start p50, s", path=f"{path}.start.p50_ms", scale=1e-3),
        Line(title=f"{title}: start longest, s", path=f"{path}.start.max_ms", scale=1e-3),
        Line(title=f"{title}: submit to end p50, s", path=f"{path}.end.p50_ms", scale=1e-3),
        Line(title=f"{title}: burst, all started, s", path=f"{path}.burst.all_started_s"),
        Line(title=f"{title}: burst, all ended, s", path=f"{path}.burst.all_ended_s"),
    ]


LINES: Sequence[Line] = [
    *_requests("submit", "submit.sequential", "p50", "p99"),
    *_requests("submit, 16 clients", "submit.concurrent", "rate", "p99", "cpu"),
    *_requests("status", "status.sequential", "p50", "p99"),
    *_requests("status, 16 clients", "status.concurrent", "rate", "p99", "cpu"),
    *_requests("status, 20 pollers", "status.pollers", "rate", "p50", "p99"),
    *_requests("list 50", "listing.sequential", "p50", "p99", "cpu"),
    *_requests("log 1 point", "metrics.one_point", "p50", "p99", "cpu"),
    *_requests("log 1,000 points", "metrics.batch", "p50"),
    *_requests("read all points", "metrics.read", "p50", "cpu"),
    Line(title="points read", path="metrics.points_read"),
    *_execution("job", "execution"),
    *_execution("job, tuned", "tuned_execution"),
    Line(title="cold start, s", path="footprint.cold_start_s"),
    Line(title="environment, MiB", path="footprint.venv.mib"),
    Line(title="environment, packages", path="footprint.venv.packages"),
    Line(title="idle processes", path="footprint.idle_memory.processes"),
    Line(title="idle RSS, MiB", path="footprint.idle_memory.rss_mib"),
    Line(title="idle PSS, MiB", path="footprint.idle_memory.pss_mib"),
    Line(title="idle CPU, % of a core", path="footprint.idle_cpu_percent"),
    Line(title="PSS after the requests, MiB", path="footprint.loaded_memory.pss_mib"),
    Line(title="PSS with workers, MiB", path="footprint.memory_with_workers.pss_mib"),
    Line(title="errors, submit 16 clients", path="submit.concurrent.errors"),
    Line(title="errors, status 16 clients", path="status.concurrent.errors"),
]


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the table; each figure is the median over the rounds, with the lowest and the highest."""
    rounds: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        rounds.setdefault(result["peer"], []).append(result)
    titles = [f"{name} {found[0]['version']} ({len(found)} rounds)" for name, found in rounds.items()]
    lines = [f"| | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for line in LINES:
        cells = [_cell(found, line) for found in rounds.values()]
        lines.append(f"| {line.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def failures(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each round that ended early and each series with errors."""
    lines = []
    for result in results:
        name = f"{result['peer']}, round {result['number']}"
        if result["failed"]:
            lines.append(f"{name}: {result['failed']}")
        lines += [f"{name}, {where}" for where in _errors(result, "")]
    return lines


def _errors(value: Any, path: str) -> list[str]:
    if not isinstance(value, Mapping):
        return []
    if value.get("errors"):
        return [f"{path}: {value['errors']} errors, as {str(value['last_error'])[:ERROR_LENGTH]}"]
    return [line for name, part in value.items() for line in _errors(part, f"{path}.{name}" if path else name)]


def _cell(rounds: Sequence[Mapping[str, Any]], line: Line) -> str:
    found = [_at(result, line.path.split(".")) for result in rounds]
    values = [line.scale * value for value in found if value is not None]
    if not values:
        return "–"
    shown = _shown(statistics.median(values))
    return shown if len(values) == 1 else f"{shown} [{_shown(min(values))}–{_shown(max(values))}]"


def _at(value: Any, path: Sequence[str]) -> float | None:
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value if isinstance(value, int | float) else None


def _shown(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
