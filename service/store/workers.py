"""Workers: their queues, slots, heartbeats and drains."""

from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.store.database import now_s
from service.store.lookup import get_row
from service.store.tables import WorkerRow

# A worker without a heartbeat for this long counts as gone.
ALIVE_S = 30.0


def register_worker(
    session: Session, *, worker_id: str, queues: Sequence[str], slots: int, version: str | None = None
) -> None:
    """Add a worker, or update it after a restart under the same id, which ends its draining.

    Args:
        session: An open transaction.
        worker_id: Unique among workers.
        queues: The queues that it serves.
        slots: How many runs it can have at the same time.
        version: Release that it runs.
    """
    values = {
        "id": worker_id,
        "queues": list(queues),
        "slots": slots,
        "draining": False,
        "version": version,
        "has_room": None,
        "listening": True,
        "started_at": now_s(),
        "heartbeat_at": now_s(),
    }
    changed = {name: value for name, value in values.items() if name != "id"}
    # ON CONFLICT is part of each dialect, not of standard SQL.
    if session.get_bind().dialect.name == "postgresql":
        on_postgresql = postgresql.insert(WorkerRow).values(values)
        session.execute(on_postgresql.on_conflict_do_update(index_elements=["id"], set_=changed))
    else:
        on_sqlite = sqlite.insert(WorkerRow).values(values)
        session.execute(on_sqlite.on_conflict_do_update(index_elements=["id"], set_=changed))


def record_heartbeat(session: Session, *, worker_id: str, listening: bool) -> bool:
    """Store that the worker is alive now.

    Args:
        session: An open transaction.
        worker_id: The worker.
        listening: Whether it hears notifications of the broker.

    Returns:
        Whether it is registered (still).
    """
    beat = update(WorkerRow).where(WorkerRow.id == worker_id).values(heartbeat_at=now_s(), listening=listening)
    return session.execute(beat.returning(WorkerRow.id)).scalar() is not None


def record_room(session: Session, *, worker_id: str, has_room: bool) -> None:
    """Store whether the worker's artifact folder has room for another run."""
    session.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(has_room=has_room))


def recorded_room(session: Session, *, worker_id: str) -> bool:
    """Return whether the worker has room as far as is recorded; one that recorded nothing has."""
    return session.scalar(select(WorkerRow.has_room).where(WorkerRow.id == worker_id)) is not False


def retire_worker(session: Session, *, worker_id: str) -> None:
    """Remove a worker that has stopped."""
    session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))


def retire_silent_workers(session: Session, *, silent_s: float) -> None:
    """Remove every worker without a heartbeat for `silent_s`."""
    session.execute(delete(WorkerRow).where(WorkerRow.heartbeat_at < now_s() - silent_s))


def list_workers(session: Session) -> Sequence[WorkerRow]:
    """Return all workers by id, including those that stopped sending heartbeats."""
    return session.scalars(select(WorkerRow).order_by(WorkerRow.id)).all()


def get_worker(session: Session, worker_id: str) -> WorkerRow:
    """Return a worker.

    Raises:
        NotFound: There is no such worker.
    """
    return get_row(session, WorkerRow, worker_id)


def living_workers(session: Session) -> Sequence[WorkerRow]:
    """Return the workers with a heartbeat in the last `ALIVE_S`, by id."""
    return session.scalars(
        select(WorkerRow).where(WorkerRow.heartbeat_at >= now_s() - ALIVE_S).order_by(WorkerRow.id)
    ).all()


def serving_workers(session: Session) -> Sequence[WorkerRow]:
    """Return the living workers that claim runs, by id: those that are not draining."""
    return [worker for worker in living_workers(session) if not worker.draining]


def set_draining(session: Session, worker_id: str, *, draining: bool) -> WorkerRow:
    """Stop a worker from claiming runs, or let it claim again; doing it twice does no harm.

    Args:
        session: An open transaction.
        worker_id: The worker.
        draining: True to stop it.

    Raises:
        NotFound: There is no such worker.
    """
    session.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(draining=draining))
    return get_worker(session, worker_id)


def may_claim(session: Session, worker_id: str) -> bool:
    """Return whether this worker may claim a run; a request to drain it waits until this transaction has ended.

    Draining is therefore enforced in SQL from one moment on: the worker need not be notified of it.
    """
    draining = select(WorkerRow.draining).where(WorkerRow.id == worker_id).with_for_update(read=True)
    return not session.scalar(draining)
