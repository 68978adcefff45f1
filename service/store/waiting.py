"""Why a run waits: told to whoever looks at it."""

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from cellgate.contract.states import LEASED, RunState
from cellgate.contract.waiting import Waiting, WaitingReason
from service.store.queue_order import AGE, FAIRNESS_KEY, LAST_SERVED, with_fairness_key
from service.store.quotas import at_work_of
from service.store.tables import RunRow, WorkerRow
from service.store.workers import living_workers


def waiting_of(session: Session, runs: Iterable[RunRow], *, max_running: int | None = None) -> dict[str, Waiting]:
    """Return what each of these runs waits for, by id; those that do not wait are left out.

    Takes two queries, however many runs there are, and none when none of them is queued; a third with a limit.

    Args:
        max_running: Runs that one owner may have at work; None: without limit.
    """
    found = list(runs)
    paused = Waiting(reason=WaitingReason.PAUSED, detail="it was paused on request: resume it to let it go on")
    waiting = {run.id: paused for run in found if run.state == RunState.PAUSED}
    queued = [run for run in found if run.state == RunState.QUEUED]
    if queued:
        workers = living_workers(session)
        for run_id, queue, ahead, busy in _places(session, queued):
            waiting[run_id] = _why(queue, ahead, busy, [worker for worker in workers if queue in worker.queues])
        if max_running is not None:
            waiting |= _held_back(session, queued, max_running)
    return waiting


def _held_back(session: Session, runs: Sequence[RunRow], limit: int) -> dict[str, Waiting]:
    chosen = select(RunRow.id).where(RunRow.id.in_([run.id for run in runs]), at_work_of(RunRow) >= limit)
    detail = f"its owner has {limit} runs at work, as many as one may have"
    held = Waiting(reason=WaitingReason.QUOTA, detail=detail)
    return dict.fromkeys(session.scalars(chosen).all(), held)


def _why(queue: str, ahead: int, busy: int, workers: Sequence[WorkerRow]) -> Waiting:
    serving = [worker for worker in workers if not worker.draining]
    if not serving:
        return Waiting(reason=WaitingReason.NO_WORKER, detail=_nobody(queue, draining=len(workers)), ahead=ahead)
    slots = sum(worker.slots for worker in serving)
    at_work = f"{busy} of {slots} slot{'s' if slots != 1 else ''} at work"
    if ahead:
        detail = f"{ahead} run{'s' if ahead != 1 else ''} ahead in queue {queue}; {at_work}"
        return Waiting(reason=WaitingReason.BEHIND, detail=detail, ahead=ahead)
    if busy >= slots:
        return Waiting(reason=WaitingReason.BUSY, detail=f"the next of queue {queue}; {at_work}", ahead=0)
    return Waiting(reason=WaitingReason.NEXT, detail=f"about to start in queue {queue}", ahead=0)


def _nobody(queue: str, *, draining: int) -> str:
    if draining:
        return f"every worker of queue {queue} drains: POST /v1/workers/{{id}}/resume lets one take runs again"
    return f"no worker serves queue {queue}: start one with `python -m worker run`, CELLGATE_QUEUES naming it"


def _places(session: Session, runs: Sequence[RunRow]) -> Sequence[tuple[str, str, int, int]]:
    """Return (run, its queue, how many are before it, how many are at work), all parties taking turns from now on."""
    turn = func.row_number().over(partition_by=(RunRow.queue, RunRow.priority, FAIRNESS_KEY), order_by=AGE)
    chosen = select(
        RunRow.id, RunRow.queue, RunRow.priority, turn.label("turn"), LAST_SERVED.label("last"), *AGE[:2]
    ).where(RunRow.state == RunState.QUEUED, RunRow.queue.in_({run.queue for run in runs}))
    in_turn = with_fairness_key(chosen).subquery()
    order = (in_turn.c.priority.desc(), in_turn.c.turn, in_turn.c.last, *(in_turn.c[part.key] for part in AGE))
    place = func.row_number().over(partition_by=in_turn.c.queue, order_by=order)
    places = select(in_turn.c.id, in_turn.c.queue, (place - 1).label("ahead")).subquery()
    at_work = aliased(RunRow)
    busy = select(func.count()).where(at_work.state.in_(LEASED), at_work.queue == places.c.queue).scalar_subquery()
    asked = select(places, busy.label("busy")).where(places.c.id.in_([run.id for run in runs]))
    return [(row.id, row.queue, row.ahead, row.busy) for row in session.execute(asked)]
