"""Draining: a worker ends what it has and takes nothing more, until it is resumed."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cellgate.contract.states import RunState
from service.store.queue_loads import busy_slots
from service.store.queue_order import AGE
from service.store.tables import RunRow, WorkerRow
from service.store.workers import get_worker, serving_workers


def set_draining(session: Session, worker_id: str, *, draining: bool) -> WorkerRow:
    """Let a worker take no more runs, or take some again; twice does no harm.

    Raises:
        NotFound: There is no such worker.
    """
    session.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(draining=draining))
    return get_worker(session, worker_id)


def may_claim(session: Session, worker_id: str) -> bool:
    """Return whether this worker may be given a run; who lets it drain waits until this transaction has ended.

    So what drains is known to SQL alone, from one moment on: the worker need not hear of it, or remember it.
    """
    draining = select(WorkerRow.draining).where(WorkerRow.id == worker_id).with_for_update(read=True)
    return not session.scalar(draining)


def run_for_others(session: Session, worker_id: str) -> tuple[str, str] | None:
    """Return (run, its queue) of a queued run that this worker must leave, as it drains, and another has room for."""
    worker = session.scalar(select(WorkerRow).where(WorkerRow.id == worker_id, WorkerRow.draining.is_(True)))
    if worker is None:
        return None
    busy = busy_slots(session)
    with_room = [other for other in serving_workers(session) if busy.get(other.id, 0) < other.slots]
    shared = {str(queue) for other in with_room for queue in other.queues if queue in worker.queues}
    chosen = select(RunRow.id, RunRow.queue).where(RunRow.state == RunState.QUEUED, RunRow.queue.in_(shared))
    found = session.execute(chosen.order_by(*AGE).limit(1)).one_or_none()
    return None if found is None else (found.id, found.queue)
