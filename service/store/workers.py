"""Workers: their queues, slots, heartbeats and drains."""

from collections.abc import Sequence
from itertools import chain, count

from sqlalchemy import ColumnElement, Select, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.store.database import now_s
from service.store.locks import AdvisoryLock, one_at_a_time
from service.store.lookup import get_row
from service.store.tables import WorkerRow
from service.store.uptime import uptime_s

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
        **_beat(session),
    }
    changed = {name: value for name, value in values.items() if name != "id"}
    # ON CONFLICT is part of each dialect, not of standard SQL.
    if session.get_bind().dialect.name == "postgresql":
        on_postgresql = postgresql.insert(WorkerRow).values(values)
        session.execute(on_postgresql.on_conflict_do_update(index_elements=["id"], set_=changed))
    else:
        on_sqlite = sqlite.insert(WorkerRow).values(values)
        session.execute(on_sqlite.on_conflict_do_update(index_elements=["id"], set_=changed))


def register_new_worker(
    session: Session, *, wanted: str, queues: Sequence[str], slots: int, version: str | None = None
) -> str:
    """Add a worker that has just started, and return its id: the wanted one, unless a living worker has it.

    Two containers may have the same host name and process id; under one id each would take the other's end for its own.

    Args:
        session: An open transaction.
        wanted: Id of the worker if nobody else has it.
        queues: The queues that it serves.
        slots: How many runs it can have at the same time.
        version: Of its release.
    """
    one_at_a_time(session, AdvisoryLock.REGISTRATIONS)
    taken = {worker.id for worker in living_workers(session)}
    names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
    worker_id = next(name for name in names if name not in taken)
    register_worker(session, worker_id=worker_id, queues=queues, slots=slots, version=version)
    return worker_id


def _beat(session: Session) -> dict[str, object]:
    at = session.scalars(select(now_s())).one()
    return {"heartbeat_at": at, "seen_heartbeat_at": at, "seen_uptime_s": uptime_s()}


def record_heartbeat(session: Session, *, worker_id: str, listening: bool) -> bool:
    """Store that the worker is alive now.

    Args:
        session: An open transaction.
        worker_id: The worker.
        listening: Whether it hears notifications of the broker.

    Returns:
        Whether it is registered (still).
    """
    found = session.execute(
        update(WorkerRow)
        .where(WorkerRow.id == worker_id)
        .values(**_beat(session), listening=listening)
        .returning(WorkerRow.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    return found is not None


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
    """Remove every worker without a heartbeat for `silent_s` of uptime."""
    session.execute(delete(WorkerRow).where(WorkerRow.id.in_(silent_workers(silent_s))))


def silent_workers(silent_s: float) -> Select[str]:
    """Return a selection of the workers without a heartbeat for `silent_s` of uptime."""
    return select(WorkerRow.id).where(WorkerRow.seen_uptime_s < uptime_s() - silent_s)


def list_workers(session: Session) -> Sequence[WorkerRow]:
    """Return all workers by id, including those that stopped sending heartbeats."""
    return session.scalars(select(WorkerRow).order_by(WorkerRow.id)).all()


def get_worker(session: Session, worker_id: str) -> WorkerRow:
    """Return a worker.

    Raises:
        NotFound: There is no such worker.
    """
    return get_row(session, WorkerRow, worker_id)


def is_alive() -> ColumnElement[bool]:
    """Return the condition of workers with a heartbeat in the last `ALIVE_S` of uptime."""
    return or_(WorkerRow.seen_uptime_s.is_(None), WorkerRow.seen_uptime_s >= uptime_s() - ALIVE_S)


def living_workers(session: Session) -> Sequence[WorkerRow]:
    """Return the workers with a heartbeat in the last `ALIVE_S` of uptime, by id."""
    return session.scalars(select(WorkerRow).where(is_alive()).order_by(WorkerRow.id)).all()


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


def may_claim(session: Session, worker_id: str, *, lock: bool = True) -> bool:
    """Return whether this worker may claim a run; a request to drain it waits until this transaction has ended.

    Draining is therefore enforced in SQL from one moment on: the worker need not be notified of it.

    Args:
        session: An open transaction.
        worker_id: The worker.
        lock: False for a mere look, after which it may be drained at once.
    """
    draining = select(WorkerRow.draining).where(WorkerRow.id == worker_id)
    return not session.scalar(draining.with_for_update(read=True) if lock else draining)
