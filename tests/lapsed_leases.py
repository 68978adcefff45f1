"""Leases that nobody has renewed, without a wait for it."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.database import now_s
from service.store.leases import lease_marks
from service.store.lifecycle import expire_leases


def expire_lapsed(session: Session) -> list[str]:
    """Take back the leases whose time is over, as a reconciler does that has watched them for so long."""
    now = session.scalars(select(now_s())).one()
    lapsed = {run: mark for run, mark in lease_marks(session).items() if (mark.expires_at or 0.0) < now}
    return expire_leases(session, lapsed)


@dataclass
class HandClock:
    """A monotonic clock that only the test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the seconds that it shows."""
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds
