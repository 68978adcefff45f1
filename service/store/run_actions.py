"""What people ask of runs: cancel, pause, resume. A run that a worker holds is changed through its worker."""

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from cellgate.contract.states import RunState
from service.domain.errors import Conflict
from service.store.database import now_s
from service.store.lookup import existing
from service.store.tables import ExperimentRow, RunRow
from service.store.transitions import bump_versions, lock_run, lock_runs, move_run, queued_again

S = RunState


def cancel_run(session: Session, run_id: str) -> RunState:
    """Cancel a run: at once while it waits, else through its worker; doing it twice does no harm.

    Raises:
        NotFound: There is no such run.
        Conflict: It has ended.
    """
    run = _found(session, run_id)
    if RunState(run.state).terminal:
        raise Conflict(f"run {run_id} has already {run.state}; only a run that has not ended can be cancelled")
    return cancel_runs(session, select(RunRow).where(RunRow.id == run_id))[0]


def cancel_runs(session: Session, chosen: Select[RunRow]) -> list[RunState]:
    """Cancel those of the chosen runs that have not ended, and return the state of each afterwards, by id."""
    runs = lock_runs(session, chosen)
    states = {run.id: _cancel(session, run) for run in runs}
    bump_versions(session, [run for run in runs if run.state != states[run.id]])
    return list(states.values())


def pause_run(session: Session, run_id: str) -> None:
    """Take a waiting run out of the queue, or make a running one save a checkpoint and wait; twice does no harm.

    Raises:
        NotFound: There is no such run.
        Conflict: It has ended, or is on its way there.
    """
    run = _found(session, run_id)
    if not pause_runs(session, select(RunRow).where(RunRow.id == run_id)):
        raise Conflict(f"run {run_id} is {run.state}: only a run that waits or runs can be paused")


def pause_runs(session: Session, chosen: Select[RunRow]) -> int:
    """Pause those of the chosen runs that wait or run, and return how many are, or will be, paused now."""
    runs = lock_runs(session, chosen)
    states = {run.id: _pause(session, run) for run in runs}
    bump_versions(session, [run for run in runs if run.state != states[run.id]])
    return sum(state in (S.PAUSING, S.PAUSED) for state in states.values())


def resume_run(session: Session, run_id: str) -> None:
    """Put a paused run back into the queue.

    Raises:
        NotFound: There is no such run.
        Conflict: It is not paused, or its experiment is paused as a whole.
    """
    run = _found(session, run_id)
    refuse_where_paused(session, run.experiment_id)
    if not resume_runs(session, select(RunRow).where(RunRow.id == run_id)):
        raise Conflict(f"run {run_id} is {run.state}: only a paused run can be resumed")


def resume_runs(session: Session, chosen: Select[RunRow]) -> int:
    """Put those of the chosen runs that are paused back into the queue, and return how many."""
    runs = [run for run in lock_runs(session, chosen) if run.state == S.PAUSED]
    for run in runs:
        move_run(session, run, S.QUEUED, "resumed on request", {**queued_again(), "resume_requested": False})
    bump_versions(session, runs)
    return len(runs)


def refuse_where_paused(session: Session, experiment_id: str | None) -> None:
    """Refuse to let a part of a paused experiment go on: it would be paused again.

    Raises:
        Conflict: The experiment is paused as a whole.
    """
    if experiment_id is None:
        return
    if session.scalar(select(ExperimentRow.paused_at).where(ExperimentRow.id == experiment_id)) is not None:
        raise Conflict(f"experiment {experiment_id} is paused as a whole: resume the experiment")


def _pause(session: Session, run: RunRow) -> RunState:
    match RunState(run.state):
        case S.QUEUED:
            return move_run(session, run, S.PAUSED, "paused on request", {})
        case S.STARTING | S.RUNNING:
            return move_run(session, run, S.PAUSING, "pause requested", {"resume_requested": False})
        case S.PAUSING if run.resume_requested:
            stays = update(RunRow).where(RunRow.id == run.id).values(resume_requested=False)
            session.execute(stays.execution_options(synchronize_session=False))
            return S.PAUSING
        case state:
            return state


def _cancel(session: Session, run: RunRow) -> RunState:
    state = RunState(run.state)
    if state.terminal or state is S.CANCELLING:
        return state
    if state.leased:
        return move_run(session, run, S.CANCELLING, "cancel requested", {})
    ended = {"finished_at": now_s(), "took_s": RunRow.running_s}
    return move_run(session, run, S.CANCELLED, "cancelled on request", ended)


def _found(session: Session, run_id: str) -> RunRow:
    """Return the run, locked until the transaction ends.

    Raises:
        NotFound: There is no such run.
    """
    return existing(lock_run(session, run_id), RunRow, run_id)
