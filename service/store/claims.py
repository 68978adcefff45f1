"""Claiming the next waiting run: SQL is the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, insert, null, select
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.identifiers import attempt_path
from cellgate.contract.states import RunState
from service.store.budgets import budget_s
from service.store.database import now_s
from service.store.durations import time_spent_s
from service.store.queue import AGE, LAST_SERVED, with_fairness_key
from service.store.quotas import below_quota, within_quota
from service.store.tables import AttemptRow, ExperimentRow, JobRow, RunRow
from service.store.transitions import Transition, apply_transition, bump_versions
from service.store.workers import may_claim

# Of the oldest runs of a queue, for one that never had a turn.
LOOKED_AT = 100
# A lock of runs that leaves out what others have locked.
_FREE: Any = {"key_share": True, "skip_locked": True, "of": RunRow}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One attempt at a run, held under a lease.

    Args:
        attempt: The fencing number, part of every write of this attempt.
        path: Output folder of this attempt, relative to the artifact root.
        resume_from: Checkpoint folder to go on from, relative to the artifact root: of an earlier attempt, or of the
            run that this one replaces.
        recoveries: How often the run was recovered from a lost worker, or tried again.
        timeout_s: Limit of the running time over all attempts; None: unlimited.
        time_left_s: The rest of it for this attempt.
        budget_s: Time at work that its experiment may take; None: nothing holds it back.
    """

    run_id: str
    job_id: str
    cell: Cell
    seed: int
    attempt: int
    path: str
    resume_from: str | None
    recoveries: int
    timeout_s: float | None = None
    time_left_s: float | None = None
    budget_s: float | None = None


def claim_next(
    session: Session, *, worker: str, queues: Sequence[str], lease_s: float, max_running: int | None = None
) -> Claim | None:
    """Claim the waiting run whose turn it is: see `service.store.queue`.

    Args:
        session: An open transaction.
        worker: Id of the claiming worker; shown with the run.
        queues: The queues that this worker serves.
        lease_s: Seconds until the claim lapses unless it is renewed.
        max_running: Limit of leased runs per owner; None: unlimited.

    Returns:
        The claim, or None if the worker drains, or every waiting run is locked by another claim.
    """
    if not may_claim(session, worker):
        return None
    waiting = _queued(queues)
    if max_running is not None:
        waiting = within_quota(session, waiting, max_running)
    run = _next_in_turn(session, waiting, queues)
    if run is None:
        return None
    attempt = run.attempt + 1
    path = attempt_path(run.id, attempt)
    values = {
        "attempt": attempt,
        "worker": worker,
        "lease_expires_at": now_s() + lease_s,
        "lease_s": lease_s,
        "queued_uptime_s": null(),
        "path": path,
        "started_at": func.coalesce(RunRow.started_at, now_s()),
        "phase": null(),
        "eta_s": null(),
    }
    if not apply_transition(
        session, Transition(run_id=run.id, to=RunState.STARTING, reason=f"claimed by {worker}", values=values)
    ):
        return None
    session.execute(
        insert(AttemptRow).values(
            run_id=run.id, attempt=attempt, worker=worker, path=path, last_event=0, started_at=now_s(), duration_s=0.0
        )
    )
    bump_versions(session, [run], served_at=now_s(), served_turn=_next_turn(session))
    return _claim(session, run, attempt, path)


def is_anything_open(session: Session, *, worker: str, queues: Sequence[str], max_running: int | None = None) -> bool:
    """Return whether a run waits that this worker may claim, even if another claim has it locked now; takes no lock.

    Args:
        session: An open transaction.
        worker: Id of the worker.
        queues: The queues that it serves.
        max_running: Limit of leased runs per owner; None: unlimited.
    """
    queued = _queued(queues)
    if max_running is not None:
        queued = below_quota(queued, max_running)
    found = queued.with_only_columns(RunRow.id).limit(1)
    return may_claim(session, worker, lock=False) and session.scalar(found) is not None


def _next_in_turn(session: Session, waiting: Select[RunRow], queues: Sequence[str]) -> RunRow | None:
    """Return the run whose turn it is, locked; None where there is none, or others have them all locked."""
    highest = _highest_priorities(session, queues)
    if not highest:
        return None
    run = _oldest_never_served(session, waiting, highest)
    if run is not None:
        return run
    in_turn = with_fairness_key(waiting).order_by(RunRow.priority.desc(), LAST_SERVED, *AGE).limit(1)
    in_turn = in_turn.with_for_update(**_FREE)
    found: RunRow | None = session.scalar(in_turn)
    return found


def _highest_priorities(session: Session, queues: Sequence[str]) -> dict[str, int]:
    """Return the highest priority of each queue in which a run waits; an index has each at its end."""
    by_priority = [
        _queued([queue]).with_only_columns(RunRow.priority).order_by(RunRow.priority.desc()).limit(1).scalar_subquery()
        for queue in queues
    ]
    found = session.execute(select(*by_priority)).one() if by_priority else ()
    return {queue: priority for queue, priority in zip(queues, found, strict=True) if priority is not None}


def _oldest_never_served(session: Session, waiting: Select[RunRow], highest: dict[str, int]) -> RunRow | None:
    """Return the run whose turn it is if it is one of those that never had a turn, locked.

    They come before all others of their priority, by age. So the first one in an index by age is it, and the turns of
    all that wait, perhaps thousands, need not be put in order. Only the oldest few are looked at.
    """
    top = max(highest.values())
    oldest = []
    for queue in (queue for queue, priority in highest.items() if priority == top):
        of_queue = waiting.where(RunRow.queue == queue, RunRow.priority == top)
        few = of_queue.with_only_columns(RunRow.id).order_by(*AGE).limit(LOOKED_AT)
        by_age: Any = select(*AGE).where(RunRow.id.in_(few))
        never = with_fairness_key(by_age).where(LAST_SERVED == 0)
        oldest += [tuple(row) for row in session.execute(never.order_by(*AGE).limit(1))]
    if not oldest:
        return None
    *_, run_id = min(oldest)
    return session.scalar(waiting.where(RunRow.id == run_id).with_for_update(**_FREE))


def _next_turn(session: Session) -> int:
    """Return a number above all turns; by no clock, which could be set back, nor by ids, which may be used again."""
    served = (session.scalar(select(func.max(table.served_turn))) for table in (JobRow, ExperimentRow))
    return 1 + max(turn or 0 for turn in served)


def _queued(queues: Sequence[str]) -> Select[RunRow]:
    return select(RunRow).where(RunRow.state == RunState.QUEUED, RunRow.queue.in_(queues))


def _claim(session: Session, run: RunRow, attempt: int, path: str) -> Claim:
    job = session.scalars(select(JobRow).where(JobRow.id == run.job_id)).one()
    return Claim(
        run_id=run.id,
        job_id=job.id,
        cell=Cell(run.cell),
        seed=run.seed,
        attempt=attempt,
        path=path,
        resume_from=_newest_checkpoint(session, run),
        recoveries=run.recoveries,
        timeout_s=job.timeout_s,
        time_left_s=None if job.timeout_s is None else job.timeout_s - time_spent_s(session, run.id),
        budget_s=budget_s(session, run),
    )


def _newest_checkpoint(session: Session, run: RunRow) -> str | None:
    """Return the last attempt's checkpoint, else that of the run that this one replaces, and so on; by no clock."""
    earlier: str | None = run.id
    while earlier is not None:
        written = select(AttemptRow.checkpoint).where(AttemptRow.run_id == earlier, AttemptRow.checkpoint.is_not(None))
        found = session.scalar(written.order_by(AttemptRow.attempt.desc()).limit(1))
        if found is not None:
            return found
        # Of the same job, which an index finds.
        replaced = select(RunRow.id).where(RunRow.job_id == run.job_id, RunRow.superseded_by == earlier)
        earlier = session.scalar(replaced)
    return None
