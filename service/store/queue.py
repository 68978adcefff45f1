"""The queue: its order, why a run waits in it, and how full it is.

The order is priority, then turns, then age. Within a priority, experiments (and jobs that belong to none) take turns:
the one that was served longest ago is next, so that many runs of one never delay the few of another. Within an
experiment the oldest run is first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, select
from sqlalchemy.orm import Session, aliased

from cellgate.contract.states import LEASED, RunState, Waiting, WaitingReason
from service.store.database import now_s
from service.store.quotas import at_work_of
from service.store.tables import ExperimentRow, JobRow, ListedRun, RunRow, WorkerRow
from service.store.workers import living_workers, serving_workers

# What takes turns: an experiment, or a job that belongs to none.
FAIRNESS_KEY = func.coalesce(RunRow.experiment_id, RunRow.job_id)
_SERVED_TURN = case((RunRow.experiment_id.is_(None), JobRow.served_turn), else_=ExperimentRow.served_turn)
LAST_SERVED: ColumnElement[Any] = func.coalesce(_SERVED_TURN, 0)
AGE = (RunRow.created_at, RunRow.seed, RunRow.id)


def with_fairness_key(chosen: Select[Any]) -> Select[Any]:
    """Return the selection of runs joined with the tables that `LAST_SERVED` reads."""
    jobs = chosen.join(JobRow, RunRow.job_id == JobRow.id)
    return jobs.outerjoin(ExperimentRow, RunRow.experiment_id == ExperimentRow.id)


UNFINISHED = [state for state in RunState if not state.terminal]


@dataclass(frozen=True, kw_only=True)
class QueueLoad:
    """Load of one queue.

    Args:
        queue: Its name.
        counts: Number of runs in each state that is not terminal.
        oldest_wait_s: Seconds since the longest waiting run was queued; None if no run is queued.
        workers: Number of workers that serve it: alive and not draining.
        slots: Slots of these workers, which may serve other queues too.
        free_slots: Slots without a run.
    """

    queue: str
    counts: Mapping[RunState, int]
    oldest_wait_s: float | None
    workers: int
    slots: int
    free_slots: int

    @property
    def queued(self) -> int:
        """Number of runs that wait for a worker."""
        return self.counts[RunState.QUEUED]

    @property
    def running(self) -> int:
        """Number of runs that a worker holds."""
        return sum(self.counts[state] for state in LEASED)

    @property
    def paused(self) -> int:
        """Number of paused runs."""
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
            # Two readings of a clock: the later one may be slightly smaller.
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


def waiting_of(
    session: Session,
    runs: Iterable[ListedRun],
    *,
    max_running: int | None = None,
    workers: Sequence[WorkerRow] | None = None,
) -> dict[str, Waiting]:
    """Return why each of these runs waits, by id; runs that do not wait are left out.

    Takes two queries for any number of runs, none if none of them is queued, and a third with a limit.

    Args:
        session: An open transaction.
        runs: In any state.
        max_running: Limit of leased runs per owner; None: unlimited.
        workers: The living ones; None: they are read.
    """
    found = list(runs)
    paused = Waiting(reason=WaitingReason.PAUSED, detail="it was paused on request: resume it to let it go on")
    waiting = {run.id: paused for run in found if run.state == RunState.PAUSED}
    queued = [run for run in found if run.state == RunState.QUEUED]
    if queued:
        living = living_workers(session) if workers is None else workers
        for run_id, queue, ahead, busy in _places(session, queued):
            waiting[run_id] = _why(queue, ahead, busy, [worker for worker in living if queue in worker.queues])
        if max_running is not None:
            waiting |= _held_back(session, queued, max_running)
    return waiting


def _held_back(session: Session, runs: Sequence[ListedRun], limit: int) -> dict[str, Waiting]:
    chosen = select(RunRow.id).where(RunRow.id.in_([run.id for run in runs]), at_work_of(RunRow) >= limit)
    detail = f"its owner has {limit} runs at work, as many as one may have"
    held = Waiting(reason=WaitingReason.QUOTA, detail=detail)
    return dict.fromkeys(session.scalars(chosen).all(), held)


def _why(queue: str, ahead: int, busy: int, workers: Sequence[WorkerRow]) -> Waiting:
    serving = [worker for worker in workers if not worker.draining]
    if not serving:
        return Waiting(reason=WaitingReason.NO_WORKER, detail=_nobody(queue, draining=len(workers)), ahead=ahead)
    if not any(worker.has_room is not False for worker in serving):
        return Waiting(reason=WaitingReason.STORAGE_FULL, detail=_no_room(queue), ahead=ahead)
    slots = sum(worker.slots for worker in serving)
    at_work = f"{busy} of {slots} slot{'s' if slots != 1 else ''} at work"
    if ahead:
        detail = f"{ahead} run{'s' if ahead != 1 else ''} ahead in queue {queue}; {at_work}"
        return Waiting(reason=WaitingReason.BEHIND, detail=detail, ahead=ahead)
    if busy >= slots:
        return Waiting(reason=WaitingReason.BUSY, detail=f"the next of queue {queue}; {at_work}", ahead=0)
    return Waiting(reason=WaitingReason.NEXT, detail=f"about to start in queue {queue}", ahead=0)


def _no_room(queue: str) -> str:
    return (
        f"the artifact folder of every worker of queue {queue} has less free than CELLGATE_STORAGE_RESERVE_BYTES: make "
        "room there; runs then start by themselves"
    )


def _nobody(queue: str, *, draining: int) -> str:
    if draining:
        return f"every worker of queue {queue} drains: POST /v1/workers/{{id}}/resume lets one take runs again"
    return f"no worker serves queue {queue}: start one with `cellgate run-worker`, CELLGATE_QUEUES naming it"


def _places(session: Session, runs: Sequence[ListedRun]) -> Sequence[tuple[str, str, int, int]]:
    """Return (run, queue, runs ahead of it, leased runs of the queue), with all taking turns from now on."""
    asked = {"queues": sorted({run.queue for run in runs}), "run_ids": [run.id for run in runs]}
    return [(row.id, row.queue, row.ahead, row.busy) for row in session.execute(_all_places(), asked)]


@cache
def _all_places() -> Select[Any]:
    # Kept: to build it takes longer than to execute it.
    turn = func.row_number().over(partition_by=(RunRow.queue, RunRow.priority, FAIRNESS_KEY), order_by=AGE)
    chosen = select(
        RunRow.id, RunRow.queue, RunRow.priority, turn.label("turn"), LAST_SERVED.label("last"), *AGE[:2]
    ).where(RunRow.state == RunState.QUEUED, RunRow.queue.in_(bindparam("queues", expanding=True)))
    in_turn = with_fairness_key(chosen).subquery()
    order = (in_turn.c.priority.desc(), in_turn.c.turn, in_turn.c.last, *(in_turn.c[part.key] for part in AGE))
    place = func.row_number().over(partition_by=in_turn.c.queue, order_by=order)
    places = select(in_turn.c.id, in_turn.c.queue, (place - 1).label("ahead")).subquery()
    at_work = aliased(RunRow)
    busy = select(func.count()).where(at_work.state.in_(LEASED), at_work.queue == places.c.queue).scalar_subquery()
    return select(places, busy.label("busy")).where(places.c.id.in_(bindparam("run_ids", expanding=True)))


def run_for_others(session: Session, worker_id: str, *, full: bool = False) -> tuple[str, str] | None:
    """Return (run, queue) of a queued run that this worker may not claim and another has room for, or None.

    Args:
        session: An open transaction.
        worker_id: Of this worker.
        full: Whether its slots are all taken; else it may not claim only while it drains.
    """
    may_not = [] if full else [WorkerRow.draining.is_(True)]
    worker = session.scalar(select(WorkerRow).where(WorkerRow.id == worker_id, *may_not))
    if worker is None:
        return None
    busy = busy_slots(session)
    others = [other for other in serving_workers(session) if other.id != worker_id]
    with_room = [other for other in others if busy.get(other.id, 0) < other.slots]
    shared = {str(queue) for other in with_room for queue in other.queues if queue in worker.queues}
    chosen = select(RunRow.id, RunRow.queue).where(RunRow.state == RunState.QUEUED, RunRow.queue.in_(shared))
    found = session.execute(chosen.order_by(*AGE).limit(1)).one_or_none()
    return None if found is None else (found.id, found.queue)
