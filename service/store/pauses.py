"""Experiments that a person pauses as a whole, and lets go on.

A paused experiment keeps what it has: a run at work saves a checkpoint first, a waiting one leaves the queue, and a
step that starts meanwhile, because the last run of the one before ended all the same, begins with paused runs.
"""

from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import Session

from cellgate.contract.states import ExperimentState, RunState
from service.domain.errors import Conflict
from service.store.database import now_s
from service.store.lookup import get_row
from service.store.run_actions import pause_runs, resume_runs
from service.store.tables import EventRow, ExperimentRow, RunRow
from service.store.transitions import lock_runs

PAUSED, RESUMED = "paused", "resumed"
_PAUSABLE = [RunState.QUEUED.value, RunState.STARTING.value, RunState.RUNNING.value]


def pause_experiment(session: Session, experiment_id: str) -> None:
    """Pause an experiment and all its runs that wait or run; doing it twice does no harm.

    Runs of a step that started a moment before are left to `pause_leftovers`: locking them here, with the experiment
    locked, would break the lock order.

    Raises:
        NotFound: There is no such experiment.
        Conflict: It has ended.
    """
    _check_open(get_row(session, ExperimentRow, experiment_id))
    pause_runs(session, _runs_of(experiment_id))
    experiment = get_row(session, ExperimentRow, experiment_id, lock=True)
    _check_open(experiment)
    if not experiment.paused:
        _set(session, experiment_id, PAUSED, now_s())


def resume_experiment(session: Session, experiment_id: str) -> None:
    """Queue the paused runs of an experiment again, whoever has paused them; doing it twice does no harm.

    A run that is about to pause saves its checkpoint; `resume_leftovers` queues it then.

    Raises:
        NotFound: There is no such experiment.
        Conflict: It has ended.
    """
    _check_open(get_row(session, ExperimentRow, experiment_id))
    runs = lock_runs(session, _runs_of(experiment_id))
    pausing = [run.id for run in runs if run.state == RunState.PAUSING]
    session.execute(
        update(RunRow)
        .where(RunRow.id.in_(pausing))
        .values(resume_requested=True)
        .execution_options(synchronize_session=False)
    )
    resume_runs(session, _runs_of(experiment_id))
    experiment = get_row(session, ExperimentRow, experiment_id, lock=True)
    _check_open(experiment)
    if experiment.paused:
        _set(session, experiment_id, RESUMED, None)


def pause_leftovers(session: Session) -> list[str]:
    """Pause what goes on in paused experiments, and return the ids: a step that started while it was being paused."""
    left = (
        select(RunRow)
        .join(ExperimentRow, RunRow.experiment_id == ExperimentRow.id)
        .where(ExperimentRow.paused_at.is_not(None), RunRow.state.in_(_PAUSABLE))
    )
    ids = [run.id for run in session.scalars(left)]
    pause_runs(session, select(RunRow).where(RunRow.id.in_(ids)))
    return ids


def resume_leftovers(session: Session) -> list[str]:
    """Queue the runs that were to go on once they were paused, and return the ids."""
    asked = select(RunRow).where(RunRow.state == RunState.PAUSED, RunRow.resume_requested)
    ids = [run.id for run in session.scalars(asked)]
    resume_runs(session, select(RunRow).where(RunRow.id.in_(ids)))
    return ids


def _runs_of(experiment_id: str) -> Select[RunRow]:
    return select(RunRow).where(RunRow.experiment_id == experiment_id)


def _check_open(experiment: ExperimentRow) -> None:
    if ExperimentState(experiment.state).terminal:
        raise Conflict(f"experiment {experiment.id} has already ended ({experiment.state}); nothing of it can go on")


def _set(session: Session, experiment_id: str, kind: str, at: object) -> None:
    session.execute(insert(EventRow).values(experiment_id=experiment_id, kind=kind, body={}, at=now_s()))
    session.execute(
        update(ExperimentRow)
        .where(ExperimentRow.id == experiment_id)
        .values(paused_at=at, version=ExperimentRow.version + 1)
        .execution_options(synchronize_session=False)
    )
