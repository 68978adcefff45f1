"""Leases as an observer sees them: what moves at every claim and renewal, and for how long it may stand still."""

from dataclasses import dataclass

from sqlalchemy import select

from cellgate.contract.states import LEASED
from service.store.database import Reader
from service.store.tables import RunRow


@dataclass(frozen=True)
class LeaseMark:
    """What moves whenever a lease is claimed or renewed; while it stands still, its holder has not shown to be alive.

    Args:
        attempt: The fencing number.
        renewals: Counted up by each renewal.
        expires_at: Moved by each renewal; releases up to 0.2 move only this.
        lease_s: Length of the lease; None: claimed by release 0.2 or older.
    """

    attempt: int
    renewals: int
    expires_at: float | None
    lease_s: float | None


def mark_of(run: RunRow) -> LeaseMark:
    """Return the mark of a run's lease."""
    return LeaseMark(run.attempt, run.renewals, run.lease_expires_at, run.lease_s)


_LEASES = select(RunRow.id, RunRow.attempt, RunRow.renewals, RunRow.lease_expires_at, RunRow.lease_s).where(
    RunRow.state.in_(LEASED)
)


def lease_marks(reader: Reader) -> dict[str, LeaseMark]:
    """Return the mark of every lease, by run."""
    return {row[0]: LeaseMark(*row[1:]) for row in reader.execute(_LEASES)}
