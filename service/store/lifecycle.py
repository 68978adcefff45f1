"""The life of a run, by its worker and the reconciler; what people ask of it is in `service.store.run_actions`.

These two alone write `runs.state`: one function per transition; terminal is final.

A function that takes an attempt is fenced by it: once another attempt holds the run, or the lease is lost, it changes
nothing and its return value shows it. After a run has ended, the caller lets `service.store.pipeline` advance what
waited for it, in the same transaction.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, func, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.states import LEASED, FailureReason, RunState
from service.store.best_f1 import gate_f1_of
from service.store.database import now_s
from service.store.durations import store_duration, total_with
from service.store.leases import LeaseMark, mark_of
from service.store.tables import AttemptRow, JobRow, RunRow
from service.store.transitions import (
    Transition,
    apply_transition,
    bump_versions,
    has_lease,
    lock_run,
    lock_runs,
    move_run,
    queued_again,
)
from service.store.uptime import uptime_s, waited_longer_than

S = RunState
# After this many lost workers, without a checkpoint further on, the run itself is assumed to be at fault.
MAX_RECOVERIES = 5


def renew(
    session: Session, *, run_id: str, attempt: int, lease_s: float, duration_s: float | None = None
) -> RunState | None:
    """Extend the attempt's lease by `lease_s` from now.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        lease_s: Seconds.
        duration_s: How long the attempt has run, by the worker's monotonic clock; None leaves it as it is.

    Returns:
        The run's state (cancelling and pausing mean that the holder must stop), or None when the lease is lost.
    """
    values: dict[str, Any] = {"lease_expires_at": now_s() + lease_s, "renewals": RunRow.renewals + 1}
    if duration_s is not None:
        values["running_s"] = total_with(run_id, attempt, duration_s)
    state = session.execute(
        update(RunRow)
        .where(RunRow.id == run_id, RunRow.attempt == attempt, RunRow.state.in_(LEASED))
        .values(lease_s=lease_s, **values)
        .returning(RunRow.state)
        .execution_options(synchronize_session=False)
    ).scalar()
    if state is None:
        return None
    if duration_s is not None:
        store_duration(session, run_id=run_id, attempt=attempt, duration_s=duration_s)
    return RunState(state)


def held_state(session: Session, *, run_id: str, attempt: int) -> RunState | None:
    """Return the run's state while the attempt holds the lease, else None; change nothing.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
    """
    chosen = select(RunRow.state).where(RunRow.id == run_id, RunRow.attempt == attempt, RunRow.state.in_(LEASED))
    state = session.scalar(chosen)
    return None if state is None else RunState(state)


def mark_running(session: Session, *, run_id: str, attempt: int) -> bool:
    """Set the state to running; return False if the lease is lost or the run is being cancelled or paused.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
    """
    return _fenced(session, Transition(run_id=run_id, attempt=attempt, to=S.RUNNING, reason="the trainer has started"))


def succeed(session: Session, *, run_id: str, attempt: int, exit_code: int, result: dict[str, Any]) -> bool:
    """End the run with its result.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        exit_code: Of the trainer.
        result: `result.json` as it was read back from disk.
    """
    mark_running(session, run_id=run_id, attempt=attempt)
    values = {"exit_code": exit_code, "result": result, "f1": _or_null(gate_f1_of(result))}
    return _end(session, run_id, attempt, S.SUCCEEDED, "the trainer has finished", values)


def reuse(session: Session, *, run_id: str, attempt: int, original: str) -> bool:
    """End the run with the result and the folder of an equal run; nothing is trained.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        original: The equal run.

    Returns:
        False, having changed nothing, if the lease is lost, or the equal run has been deleted meanwhile.
    """
    # Locked against deletion until this run refers to it. Nobody else locks both: a deletion refuses a run at work.
    chosen = select(RunRow).where(RunRow.id == original, RunRow.state == S.SUCCEEDED, RunRow.reused_from.is_(None))
    equal = session.scalar(chosen.with_for_update(read=True, key_share=True))
    if equal is None:
        return False
    why = f"nothing to train: run {original} is equal and has finished"
    _fenced(session, Transition(run_id=run_id, attempt=attempt, to=S.RUNNING, reason=why))
    values = {
        "exit_code": equal.exit_code,
        "result": equal.result,
        "path": equal.path,
        "reused_from": original,
        "f1": _or_null(equal.f1),
    }
    return _end(session, run_id, attempt, S.SUCCEEDED, f"the result of run {original} is reused", values)


def fail(
    session: Session, *, run_id: str, attempt: int, reason: FailureReason, detail: str, exit_code: int | None = None
) -> bool:
    """End the run as failed.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        reason: Code of the failure.
        detail: The cause for people, and what to do.
        exit_code: Of the trainer; None if it did not end by itself.
    """
    values = {"failure_reason": reason.value, "failure_detail": detail, "exit_code": _or_null(exit_code)}
    return _end(session, run_id, attempt, S.FAILED, reason.value, values)


def cancelled(session: Session, *, run_id: str, attempt: int, exit_code: int | None = None) -> bool:
    """End a cancelling run whose trainer has ended.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        exit_code: Of the trainer.
    """
    return _end(session, run_id, attempt, S.CANCELLED, "cancelled on request", {"exit_code": _or_null(exit_code)})


def release(
    session: Session,
    *,
    run_id: str,
    attempt: int,
    why: str,
    exit_code: int | None = None,
    counts: bool = False,
    gave_up: FailureReason = FailureReason.WORKER_LOST,
) -> RunState | None:
    """Release the run without ending it; its checkpoint stays for the next attempt.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        why: Plain words for the event.
        exit_code: Of the trainer.
        counts: Whether this is a recovery, of which a run has `MAX_RECOVERIES`; a draining worker's release is none.
        gave_up: Why the run failed, if it has no recovery left. A lost worker costs none where the attempt got further
            than those before it: it left a later checkpoint.

    Returns:
        The run's new state: queued, paused or cancelled if that was requested, failed after too many recoveries; None
        if the lease is lost.
    """
    run = lock_run(session, run_id)
    if run is None or not has_lease(run, attempt):
        return None
    _close_attempt(session, run_id, attempt, outcome="released", exit_code=exit_code)
    state = _release(session, run, why=why, counts=counts, gave_up=gave_up)
    bump_versions(session, [run])
    return state


def expire_leases(session: Session, unchanged: Mapping[str, LeaseMark]) -> list[str]:
    """Take back the runs whose lease has not been renewed since, and return their ids.

    Runs with recoveries left are queued again.

    Args:
        session: An open transaction.
        unchanged: By run, the mark that the caller has seen unchanged for the length of the lease.
    """
    expired = select(RunRow).where(RunRow.state.in_(LEASED), RunRow.id.in_(unchanged))
    locked = lock_runs(session, expired, skip=True)
    runs = [run for run in locked if mark_of(run) == unchanged[run.id]]
    for run in runs:
        _close_attempt(session, run.id, run.attempt, outcome="lost", exit_code=None)
        why = f"lease of worker {run.worker} expired"
        _release(session, run, why=why, counts=True, gave_up=FailureReason.WORKER_LOST)
    bump_versions(session, runs)
    return [run.id for run in runs]


def release_all(session: Session, *, why: str) -> list[str]:
    """Take back every run that a worker holds and return their ids: there is no such worker any more.

    Args:
        session: An open transaction.
        why: Plain words for the event; it is no recovery that counts.
    """
    runs = lock_runs(session, select(RunRow).where(RunRow.state.in_(LEASED)))
    for run in runs:
        _close_attempt(session, run.id, run.attempt, outcome="lost", exit_code=None)
        _release(session, run, why=why, counts=False, gave_up=FailureReason.WORKER_LOST)
    bump_versions(session, runs)
    return [run.id for run in runs]


def expire_queued(session: Session) -> list[str]:
    """Fail every run that has been queued for longer than its job's queue_timeout_s, and return their ids."""
    # The state once more: who was claimed meanwhile is locked as it is then.
    chosen = select(RunRow).where(RunRow.state == S.QUEUED, RunRow.id.in_(overdue_runs()))
    runs = lock_runs(session, chosen, skip=True)
    for run in runs:
        detail = "it was queued for longer than queue_timeout_s; see why it waited in the workers of its queue"
        reason = FailureReason.QUEUE_TIMEOUT.value
        values = {"failure_reason": reason, "failure_detail": detail, **_ended()}
        move_run(session, run, S.FAILED, reason, values)
    bump_versions(session, runs)
    return [run.id for run in runs]


def overdue_runs() -> Select[str]:
    """Return a selection of the runs that have been queued for longer than their job's queue_timeout_s."""
    limit_s = JobRow.queue_timeout_s
    timed = select(RunRow.id).join(JobRow, RunRow.job_id == JobRow.id)
    # Who has not waited for the shortest of all limits is left out first, by an index.
    shortest_s = select(func.min(limit_s)).scalar_subquery()
    chosen = timed.where(RunRow.state == S.QUEUED, RunRow.queued_uptime_s < uptime_s() - shortest_s)
    return chosen.where(limit_s.is_not(None), waited_longer_than(limit_s))


def _fenced(session: Session, change: Transition) -> bool:
    if not apply_transition(session, change):
        return False
    run = lock_run(session, change.run_id)
    bump_versions(session, [run] if run else [])
    return True


def _end(session: Session, run_id: str, attempt: int, to: RunState, reason: str, values: dict[str, Any]) -> bool:
    ended = {**_ended(), "lease_expires_at": null(), "eta_s": null(), **values}
    if not _fenced(session, Transition(run_id=run_id, attempt=attempt, to=to, reason=reason, values=ended)):
        return False
    _close_attempt(session, run_id, attempt, outcome=to.value, exit_code=values["exit_code"])
    return True


def _release(session: Session, run: RunRow, *, why: str, counts: bool, gave_up: FailureReason) -> RunState:
    idle = {"lease_expires_at": null(), "eta_s": null()}
    ended = {**idle, **_ended()}
    match RunState(run.state):
        case S.CANCELLING:
            return move_run(session, run, S.CANCELLED, f"cancelled on request; {why}", ended)
        case S.PAUSING:
            return move_run(session, run, S.PAUSED, f"paused on request; {why}", idle)
    excused = gave_up is FailureReason.WORKER_LOST and _got_further(session, run)
    recoveries = run.recoveries + (counts and not excused)
    if recoveries > MAX_RECOVERIES:
        detail = f"{why}; that was once too often after {MAX_RECOVERIES} recoveries"
        return move_run(
            session, run, S.FAILED, detail, {**ended, "failure_reason": gave_up.value, "failure_detail": detail}
        )
    move_run(session, run, S.RECOVERING, why, {**idle, "recoveries": recoveries})
    return move_run(session, run, S.QUEUED, "next attempt", {"worker": null(), **queued_again()})


def _ended() -> dict[str, Any]:
    """Return the columns of a run that ends now."""
    return {"finished_at": now_s(), "took_s": RunRow.running_s}


def _got_further(session: Session, run: RunRow) -> bool:
    """Return whether the run's newest attempt has a later checkpoint than all before it."""
    saved = select(AttemptRow.attempt, AttemptRow.checkpoint_step).where(
        AttemptRow.run_id == run.id, AttemptRow.checkpoint_step.is_not(None)
    )
    steps = {attempt: step for attempt, step in session.execute(saved) if step is not None}
    newest = steps.pop(run.attempt, None)
    return newest is not None and newest > max(steps.values(), default=0)


def _close_attempt(session: Session, run_id: str, attempt: int, *, outcome: str, exit_code: object) -> None:
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.run_id == run_id, AttemptRow.attempt == attempt)
        .values(outcome=outcome, exit_code=exit_code, finished_at=now_s())
        .execution_options(synchronize_session=False)
    )


def _or_null(value: float | None) -> object:
    return null() if value is None else value
