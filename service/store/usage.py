"""Usage: how long attempts have held a slot, by experiment, owner, cell or queue."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, String, Subquery, case, func, literal, select
from sqlalchemy.orm import Session

from cellgate.contract.api.operations import UsageBy
from cellgate.contract.states import RunState
from service.store.durations import seconds_of
from service.store.quotas import OWNER_KEY
from service.store.tables import AttemptRow, RunRow

_COLUMNS: dict[UsageBy, SQLColumnExpression[Any]] = {
    UsageBy.EXPERIMENT: RunRow.experiment_id,
    # Two owners may have one name.
    UsageBy.OWNER: OWNER_KEY,
    UsageBy.CELL: RunRow.cell,
    UsageBy.QUEUE: RunRow.queue,
}


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Usage of one group of runs.

    Args:
        key: The experiment, the owner's name, cell or queue; None for runs that have none.
        owner_id: Of the owner, where the groups are of owners.
        slot_seconds: Running time of their attempts within the period, running ones included.
        runs: Number of runs with an attempt within the period.
        failed: Number of these runs that have failed.
        ended: Number of these runs that are in a terminal state.
    """

    key: str | None
    owner_id: str | None = None
    slot_seconds: float
    runs: int
    failed: int
    ended: int


def usage_of(
    session: Session, *, by: UsageBy, since_s: float, before_s: float, limit: int
) -> tuple[Usage, list[Usage]]:
    """Return the total and the groups with the highest usage, highest first, in one query.

    Args:
        session: An open transaction.
        by: Column to group by.
        since_s: Begin of the period, seconds since the epoch; the part of an attempt within the period counts.
        before_s: End of the period.
        limit: Groups at most; the total is over all of them.
    """
    rows = session.execute(_summed(_groups(by, since_s, before_s)).limit(limit)).all()
    if not rows:
        return Usage(key=None, slot_seconds=0.0, runs=0, failed=0, ended=0), []
    first = rows[0]
    total = Usage(
        key=None, slot_seconds=first.all_seconds, runs=first.all_runs, failed=first.all_failed, ended=first.all_ended
    )
    return total, [
        Usage(
            key=row.key,
            owner_id=row.owner_id,
            slot_seconds=row.slot_seconds,
            runs=row.runs,
            failed=row.failed,
            ended=row.ended,
        )
        for row in rows
    ]


def _groups(by: UsageBy, since_s: float, before_s: float) -> Subquery:
    spent = _time_within(since_s, before_s).subquery()
    failed = func.sum(case((RunRow.state == RunState.FAILED, 1), else_=0))
    ended = func.sum(case((RunRow.state.in_([state for state in RunState if state.terminal]), 1), else_=0))
    key = _COLUMNS[by]
    of_owners = by is UsageBy.OWNER
    return (
        select(
            (func.max(RunRow.owner) if of_owners else key).label("key"),
            (func.max(RunRow.owner_id) if of_owners else literal(None, String)).label("owner_id"),
            func.sum(spent.c.seconds).label("slot_seconds"),
            func.count().label("runs"),
            failed.label("failed"),
            ended.label("ended"),
        )
        .join(spent, spent.c.run_id == RunRow.id)
        .group_by(key)
        .subquery()
    )


def _time_within(since_s: float, before_s: float) -> Select[str, float]:
    """Return (run_id, seconds) of every run with an attempt in the period."""
    # An attempt lies where it began by the database's clock, and is as long as its worker measured.
    finished = AttemptRow.started_at + seconds_of(AttemptRow)
    begin = _larger(AttemptRow.started_at, literal(since_s))
    end = _smaller(finished, literal(before_s))
    return (
        select(AttemptRow.run_id, func.sum(_larger(end - begin, literal(0.0))).label("seconds"))
        .where(AttemptRow.started_at < before_s, finished > since_s)
        .group_by(AttemptRow.run_id)
    )


def _summed(groups: Subquery) -> Select[*tuple[Any, ...]]:
    sums = [
        func.sum(groups.c[column]).over().label(name)
        for column, name in (
            ("slot_seconds", "all_seconds"),
            ("runs", "all_runs"),
            ("failed", "all_failed"),
            ("ended", "all_ended"),
        )
    ]
    return select(*groups.c, *sums).order_by(groups.c.slot_seconds.desc(), groups.c.key)


# The two dialects name the scalar minimum and maximum differently.
def _larger(left: SQLColumnExpression[float], right: SQLColumnExpression[float]) -> ColumnElement[float]:
    return case((left > right, left), else_=right)


def _smaller(left: SQLColumnExpression[float], right: SQLColumnExpression[float]) -> ColumnElement[float]:
    return case((left < right, left), else_=right)
