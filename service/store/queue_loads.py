"""How full each queue is, and who is there to work it off."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cellgate.contract.states import LEASED, RunState
from service.store.database import now_s
from service.store.tables import RunRow, WorkerRow
from service.store.workers import serving_workers

UNFINISHED = [state for state in RunState if not state.terminal]
Counts = Mapping[str, Mapping[RunState, int]]


@dataclass(frozen=True, kw_only=True)
class QueueLoad:
    """One queue.

    Args:
        counts: Runs in each state that is not an end.
        oldest_wait_s: How long the run has been queued that was queued the longest ago; None when none is.
        workers: Workers that serve it: they are alive and do not drain.
        slots: Runs that these can have at work at once, also for other queues that they serve.
        free_slots: Those of the slots with no run at work.
    """

    queue: str
    counts: Mapping[RunState, int]
    oldest_wait_s: float | None
    workers: int
    slots: int
    free_slots: int

    @property
    def queued(self) -> int:
        """Runs that wait for a worker."""
        return self.counts[RunState.QUEUED]

    @property
    def running(self) -> int:
        """Runs that a worker holds."""
        return sum(self.counts[state] for state in LEASED)

    @property
    def paused(self) -> int:
        """Runs that wait to be resumed."""
        return self.counts[RunState.PAUSED]


def queue_loads(session: Session) -> list[QueueLoad]:
    """Return every queue that has an unfinished run or a worker that serves it, by name; three queries."""
    counts, oldest = _unfinished(session)
    workers = serving_workers(session)
    busy = busy_slots(session)
    served = {str(queue) for worker in workers for queue in worker.queues}
    return [
        _load(queue, counts[queue], oldest.get(queue), [worker for worker in workers if queue in worker.queues], busy)
        for queue in sorted(served | set(counts))
    ]


def busy_slots(session: Session) -> dict[str, int]:
    """Return how many runs each worker holds, by its id; those that hold none are left out."""
    return {worker: len(runs) for worker, runs in held_runs(session).items()}


def held_runs(session: Session) -> dict[str, list[str]]:
    """Return the ids of the runs that each worker holds, by its id; those that hold none are left out."""
    held = select(RunRow.worker, RunRow.id).where(RunRow.state.in_(LEASED), RunRow.worker.is_not(None))
    found: defaultdict[str, list[str]] = defaultdict(list)
    for worker, run_id in session.execute(held.order_by(RunRow.id)):
        found[str(worker)].append(run_id)
    return found


def _unfinished(session: Session) -> tuple[defaultdict[str, Counter[RunState]], dict[str, float]]:
    waited = func.max(now_s() - RunRow.queued_at)
    chosen = select(RunRow.queue, RunRow.state, func.count(), waited).where(RunRow.state.in_(UNFINISHED))
    counts: defaultdict[str, Counter[RunState]] = defaultdict(Counter)
    oldest: dict[str, float] = {}
    for queue, state, count, longest_s in session.execute(chosen.group_by(RunRow.queue, RunRow.state)):
        counts[queue][RunState(state)] = count
        if state == RunState.QUEUED:
            # Two readings of a clock: the later one may be a little early.
            oldest[queue] = max(0.0, longest_s)
    return counts, oldest


def _load(
    queue: str,
    counts: Counter[RunState],
    oldest_wait_s: float | None,
    workers: Sequence[WorkerRow],
    busy: Mapping[str, int],
) -> QueueLoad:
    return QueueLoad(
        queue=queue,
        counts=counts,
        oldest_wait_s=oldest_wait_s,
        workers=len(workers),
        slots=sum(worker.slots for worker in workers),
        free_slots=sum(max(0, worker.slots - busy.get(worker.id, 0)) for worker in workers),
    )
