"""How much one caller may have: runs that wait, and runs at work."""

from sqlalchemy import ScalarSelect, Select, func, or_, select
from sqlalchemy.orm import Session

from cellgate.contract.states import LEASED, RunState
from service.domain.errors import QuotaExceeded
from service.store.database import one_at_a_time
from service.store.tables import RunRow

# Any constants will do: whoever counts the same thing must name the same one.
CLAIMS = 5_251_525_355
SUBMISSIONS = 5_251_525_356
WAITING = (RunState.QUEUED, RunState.PAUSED)


def check_waiting(session: Session, *, owner: str, limit: int | None) -> None:
    """Return if the owner's waiting runs, those of this transaction included, are no more than `limit`.

    What an experiment queues by itself later is never refused, but counts.

    Raises:
        QuotaExceeded: They are more.
    """
    if limit is None:
        return
    one_at_a_time(session, SUBMISSIONS)
    waiting = select(func.count()).where(RunRow.owner == owner, RunRow.state.in_(WAITING))
    count = session.scalars(waiting).one()
    if count > limit:
        raise QuotaExceeded(
            f"with this, {count} of your runs would wait, and at most {limit} may: try again once some have started, "
            "cancel what is not needed, or ask for fewer seeds",
            extra={"limit": limit, "waiting": count},
        )


def within_quota(session: Session, waiting: Select[RunRow], limit: int) -> Select[RunRow]:
    """Return those of the waiting runs whose owner has fewer than `limit` runs at work.

    Nobody else counts until the transaction has ended.
    """
    one_at_a_time(session, CLAIMS)
    return waiting.where(or_(RunRow.owner.is_(None), at_work_of(RunRow) < limit))


def at_work_of(run: type[RunRow]) -> ScalarSelect[int]:
    """Return how many runs the owner of `run` has at work."""
    other = RunRow.__table__.alias("at_work")
    counted = select(func.count()).where(other.c.owner == run.owner, other.c.state.in_(LEASED))
    return counted.scalar_subquery()
