"""Limits per owner: waiting runs and leased runs."""

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from cellgate.contract.states import LEASED, RunState
from service.domain.errors import QuotaExceeded
from service.domain.principals import Owner
from service.store.locks import AdvisoryLock, one_at_a_time
from service.store.tables import RunRow

WAITING = (RunState.QUEUED, RunState.PAUSED)
# Two owners may have one name. Processes of the release before, which knew names only, insert rows without an id.
OWNER_KEY: ColumnElement[Any] = func.coalesce(RunRow.owner_id, RunRow.owner)


def check_waiting(session: Session, *, owner: Owner, limit: int | None) -> None:
    """Check that the owner's waiting runs, including those of this transaction, do not exceed `limit`.

    Runs that an experiment queues by itself later are never refused, but they count.

    Args:
        session: The transaction that queues runs.
        owner: Who made the request.
        limit: None: unlimited.

    Raises:
        QuotaExceeded: There are more.
    """
    if limit is None:
        return
    one_at_a_time(session, AdvisoryLock.SUBMISSIONS)
    count = session.scalars(select(func.count()).where(_belongs_to(owner), RunRow.state.in_(WAITING))).one()
    if count > limit:
        raise QuotaExceeded(
            f"quota exceeded: {count} waiting runs with this request, limit {limit}; try again once some have started, "
            "cancel what is not needed, or submit fewer seeds",
            extra={"limit": limit, "waiting": count},
        )


def _belongs_to(owner: Owner) -> ColumnElement[bool]:
    """Return that a run's `OWNER_KEY` is the owner's, in a form for which there is an index."""
    key = owner.id or owner.name
    return or_(RunRow.owner_id == key, and_(RunRow.owner_id.is_(None), RunRow.owner == key))


def within_quota(session: Session, waiting: Select[RunRow], limit: int) -> Select[RunRow]:
    """Return the selection restricted to runs whose owner has fewer than `limit` leased runs.

    No other transaction counts until this one has ended.

    Args:
        session: The transaction that claims.
        waiting: Selects queued runs.
        limit: Leased runs per owner.
    """
    one_at_a_time(session, AdvisoryLock.CLAIMS)
    return below_quota(waiting, limit)


def below_quota(waiting: Select[RunRow], limit: int) -> Select[RunRow]:
    """Return what `within_quota` does, without a lock: other transactions may be about to claim."""
    return waiting.where(or_(OWNER_KEY.is_(None), at_work_of(RunRow) < limit))


def at_work_of(run: type[RunRow]) -> ScalarSelect[int]:
    """Return a subquery: the number of leased runs of the owner of `run`."""
    other = RunRow.__table__.alias("at_work")
    same_owner = func.coalesce(other.c.owner_id, other.c.owner) == func.coalesce(run.owner_id, run.owner)
    counted = select(func.count()).where(same_owner, other.c.state.in_(LEASED))
    return counted.scalar_subquery()
