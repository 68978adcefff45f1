"""Totals since the first run, for monitoring; computed in SQL, so every API process reports the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, case, func, select
from sqlalchemy.orm import Session

from cellgate.contract.states import RunState
from service.store.durations import seconds_of
from service.store.tables import AttemptRow, RunRow

WAIT_BOUNDS_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
RUN_BOUNDS_S = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 21_600.0, 86_400.0)
_TERMINAL = [state for state in RunState if state.terminal]


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Histogram of durations.

    Args:
        at_most: Number of durations up to each bound, in seconds.
        count: Number of durations.
        sum_s: Their sum, in seconds.
    """

    at_most: Mapping[float, int]
    count: int
    sum_s: float


@dataclass(frozen=True, kw_only=True)
class FinishedRuns:
    """Runs of one cell that ended the same way.

    Args:
        reason: The failure reason; None for runs that did not fail.
        run_time: Running time over all attempts of a run.
    """

    cell: str
    state: RunState
    reason: str | None
    run_time: Histogram


def ended_runs(session: Session) -> list[FinishedRuns]:
    """Return all runs that have ended, by cell, state and reason; one query."""
    spent = (
        select(AttemptRow.run_id, func.sum(seconds_of(AttemptRow)).label("seconds"))
        .group_by(AttemptRow.run_id)
        .subquery()
    )
    # A run that was cancelled while waiting has no attempt.
    seconds = func.coalesce(spent.c.seconds, 0.0)
    by = (RunRow.cell, RunRow.state, RunRow.failure_reason)
    chosen = select(*by, *_histogram_of(seconds, RUN_BOUNDS_S)).outerjoin(spent, spent.c.run_id == RunRow.id)
    rows = session.execute(chosen.where(RunRow.state.in_(_TERMINAL)).group_by(*by).order_by(*by))
    return [
        FinishedRuns(cell=row[0], state=RunState(row[1]), reason=row[2], run_time=_found(row[3:], RUN_BOUNDS_S))
        for row in rows
    ]


def waits(session: Session) -> dict[str, Histogram]:
    """Return how long runs waited for their first worker, by queue; one query."""
    by_clock = RunRow.started_at - RunRow.created_at
    waited = case((by_clock > 0.0, by_clock), else_=0.0)
    chosen = select(RunRow.queue, *_histogram_of(waited, WAIT_BOUNDS_S)).where(RunRow.started_at.is_not(None))
    rows = session.execute(chosen.group_by(RunRow.queue).order_by(RunRow.queue))
    return {row[0]: _found(row[1:], WAIT_BOUNDS_S) for row in rows}


def lost_leases(session: Session) -> int:
    """Return how often a lease expired and its run was taken from the worker."""
    return session.scalars(select(func.count()).where(AttemptRow.outcome == "lost")).one()


def _histogram_of(seconds: SQLColumnExpression[Any], bounds: Sequence[float]) -> list[ColumnElement[Any]]:
    within = [func.sum(case((seconds <= bound, 1), else_=0)) for bound in bounds]
    return [func.count(), func.sum(seconds), *within]


def _found(values: Sequence[Any], bounds: Sequence[float]) -> Histogram:
    count, sum_s, *within = values
    return Histogram(at_most=dict(zip(bounds, within, strict=True)), count=count, sum_s=sum_s)
