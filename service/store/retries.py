"""Retry runs that failed or were cancelled: terminal is final, so a new run replaces the one that ended.

The new run counts for its seed from then on and resumes from the last checkpoint of the old one, whose row stays; it
never reuses the result of an equal run, since whoever retries wants it trained. An
experiment that went on without the seed returns to the step that waits for it: later conclusions are withdrawn and
kept in an event. At another learning rate a new job takes the old one's place, for a job has one config. Experiments
that failed because their data set failed wait for it again.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Select, Update, delete, insert, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.decision import Stage
from cellgate.contract.experiment import RunLimits
from cellgate.contract.states import DatasetState, ExperimentState, RunState
from service.domain.errors import Conflict
from service.domain.pipeline import BASES, Step
from service.domain.principals import Owner
from service.store.best_f1 import store_best_f1
from service.store.database import now_s
from service.store.jobs import NewJob, create_job, get_job, new_run
from service.store.lookup import existing, get_row
from service.store.pipeline import set_state
from service.store.run_actions import cancel_runs
from service.store.runs import get_run
from service.store.tables import DatasetRow, DecisionRow, EventRow, ExperimentRow, JobRow, RunRow
from service.store.transitions import add_event, bump_versions, lock_runs

RETRIED = "retried"
WITHDRAWN = "withdrawn"
AGAIN = frozenset({RunState.FAILED, RunState.CANCELLED})
WAITS: Mapping[Step, ExperimentState] = {
    Step.PREFLIGHT: ExperimentState.PREFLIGHT,
    Step.TRANSFORMER: ExperimentState.TRAINING,
    Step.GNN: ExperimentState.TRAINING,
    Step.EVIDENCE_BASES: ExperimentState.DECIDING,
    Step.FUSION: ExperimentState.FUSING,
    Step.EVIDENCE_FINAL: ExperimentState.CONCLUDING,
}
# Steps whose jobs used a step's runs: a new run of the step makes them start again.
FOLLOWERS: Mapping[Step, Sequence[Step]] = {
    **dict.fromkeys(BASES, (Step.EVIDENCE_BASES, Step.FUSION, Step.EVIDENCE_FINAL)),
    Step.FUSION: (Step.EVIDENCE_FINAL,),
}
CONCLUSIONS: Mapping[Step, Sequence[Stage]] = {**dict.fromkeys(BASES, ("bases", "final")), Step.FUSION: ("final",)}


def retry_run(session: Session, run_id: str) -> str:
    """Queue a run that replaces one that failed or was cancelled, and return its id.

    Raises:
        NotFound: There is no such run.
        Conflict: It has not ended, has succeeded, was tried again already, or its experiment was cancelled.
    """
    run = get_run(session, run_id)
    job, experiment = _lock(session, get_job(session, run.job_id))
    run = get_run(session, run_id)
    if run.superseded_by is not None:
        raise Conflict(f"run {run_id} was tried again already: run {run.superseded_by} counts in its place")
    if RunState(run.state) not in AGAIN:
        raise Conflict(f"run {run_id} is {run.state}; only a run that failed or was cancelled can be tried again")
    return _retry(session, job, experiment, [run])[0]


def retry_job(session: Session, job_id: str) -> list[str]:
    """Queue a new run for every seed of a job that failed or was cancelled, and return their ids.

    Raises:
        NotFound: There is no such job.
        Conflict: None of its runs failed or was cancelled, or its experiment was cancelled.
    """
    job, experiment = _lock(session, get_job(session, job_id))
    chosen = select(RunRow).where(RunRow.job_id == job_id, RunRow.superseded_by.is_(None), RunRow.state.in_(AGAIN))
    runs = session.scalars(chosen.order_by(RunRow.seed)).all()
    if not runs:
        raise Conflict(f"no run of job {job_id} failed or was cancelled; there is nothing to try again")
    return _retry(session, job, experiment, runs)


def retry_job_at(session: Session, job_id: str, learning_rate: float) -> str:
    """Queue a job that takes the place of one with a failed or cancelled run, at another learning rate; return its id.

    A job has one config, and its seeds are compared with each other: all of them are trained anew, and what still runs
    at the old rate is cancelled. The old job keeps its config, its runs and their results. No new run goes on from a
    checkpoint of an old one.

    Args:
        session: An open transaction.
        job_id: The job, of cell 51, 52 or 53.
        learning_rate: The fixed peak, `training.learning_rate.value` of the new job.

    Raises:
        NotFound: There is no such job.
        Conflict: Its cell trains no model, none of its runs failed or was cancelled, it was withdrawn, or its
            experiment was cancelled.
    """
    job, experiment = _lock(session, get_job(session, job_id))
    if not ENTRY_OF[Cell(job.cell)].checkpoints:
        raise Conflict(
            f"job {job_id} is of cell {job.cell}, which trains no model: try it again without a learning rate"
        )
    runs = session.scalars(select(RunRow).where(RunRow.job_id == job_id, RunRow.superseded_by.is_(None))).all()
    if not any(RunState(run.state) in AGAIN for run in runs):
        raise Conflict(f"no run of job {job_id} failed or was cancelled; there is nothing to try again")
    because = f"job {job_id} is tried again at a learning rate of {learning_rate:g}"
    if experiment is None:
        cancel_runs(session, select(RunRow).where(RunRow.job_id == job_id))
        return _at_rate(session, job, step=None, learning_rate=learning_rate, paused=False).id
    step = Step(str(job.step))
    _withdraw(session, experiment, step, because=because, also=[job])
    successor = _at_rate(session, job, step=step, learning_rate=learning_rate, paused=experiment.paused)
    set_state(session, experiment, WAITS[step], because)
    store_best_f1(session, experiment.id)
    return successor.id


def _at_rate(session: Session, job: JobRow, *, step: Step | None, learning_rate: float, paused: bool) -> NewJob:
    training = job.spec["training"]
    rate = {**training["learning_rate"], "value": learning_rate}
    return create_job(
        session,
        cell=Cell(job.cell),
        dataset_id=job.dataset_id,
        config={**job.spec, "training": {**training, "learning_rate": rate}},
        seeds=job.seeds,
        experiment_id=job.experiment_id,
        step=step,
        limits=RunLimits(
            priority=job.priority, queue=job.queue, queue_timeout_s=job.queue_timeout_s, timeout_s=job.timeout_s
        ),
        owner=Owner(id=job.owner_id, name=job.owner),
        fresh=True,
        paused=paused,
    )


def _lock(session: Session, job: JobRow) -> tuple[JobRow, ExperimentRow | None]:
    """Lock every row that a retry may change, in the order of `service.store.transitions`."""
    if job.experiment_id is None:
        lock_runs(session, select(RunRow).where(RunRow.job_id == job.id))
        return job, None
    lock_runs(session, select(RunRow).where(RunRow.experiment_id == job.experiment_id))
    jobs = _locked_jobs(session, job.experiment_id)
    experiment = get_row(session, ExperimentRow, job.experiment_id, lock=True)
    if len(session.scalars(_jobs_of(experiment.id)).all()) != len(jobs):
        raise Conflict(f"experiment {experiment.id} changed at the same moment; try again")
    job = existing(next((found for found in jobs if found.id == job.id), None), JobRow, job.id)
    if job.step is None:
        raise Conflict(f"job {job.id} was withdrawn: its experiment does that step, or will do it, with another job")
    if experiment.state == ExperimentState.CANCELLED:
        raise Conflict(f"experiment {experiment.id} was cancelled; submit a new one")
    return job, experiment


def _locked_jobs(session: Session, experiment_id: str) -> Sequence[JobRow]:
    return session.scalars(_jobs_of(experiment_id).with_for_update(key_share=True)).all()


def _jobs_of(experiment_id: str) -> Select[JobRow]:
    return select(JobRow).where(JobRow.experiment_id == experiment_id).order_by(JobRow.id)


def _retry(session: Session, job: JobRow, experiment: ExperimentRow | None, runs: Sequence[RunRow]) -> list[str]:
    ids = [_supersede(session, job, run, paused=experiment is not None and experiment.paused) for run in runs]
    bump_versions(session, runs)
    if job.cell == Cell.PREPARE.value and job.dataset_id is not None:
        _prepare_again(session, job.dataset_id)
    if experiment is not None:
        step = Step(str(job.step))
        _withdraw(session, experiment, step, because=f"runs of {step} are tried again")
        set_state(session, experiment, WAITS[step], f"{len(runs)} of the runs of {step} are tried again")
        store_best_f1(session, experiment.id)
    return ids


def _supersede(session: Session, job: JobRow, run: RunRow, *, paused: bool) -> str:
    queued_at = session.scalars(select(now_s())).one()
    successor = new_run(job, run.seed, queued_at=queued_at, fresh=True, paused=paused)
    changed = {"superseded_by": successor["id"], "version": RunRow.version + 1}
    _set(session, update(RunRow).where(RunRow.id == run.id).values(changed))
    session.execute(insert(RunRow).values(successor))
    add_event(session, run=run, attempt=run.attempt, kind=RETRIED, body={"by": successor["id"]})
    return str(successor["id"])


def _prepare_again(session: Session, dataset_id: str) -> None:
    again = {"state": DatasetState.PREPARING.value, "failure_detail": None, "version": DatasetRow.version + 1}
    _set(session, update(DatasetRow).where(DatasetRow.id == dataset_id).values(again))
    # An experiment that never had a data set can only have failed because of it. Waiting ones are locked as well: one
    # of them may be failing because of it at this moment.
    opened = (ExperimentState.WAITING, ExperimentState.FAILED)
    chosen = select(ExperimentRow).where(ExperimentRow.dataset_id == dataset_id, ExperimentRow.state.in_(opened))
    locked = chosen.order_by(ExperimentRow.id).with_for_update(key_share=True)
    for experiment in session.scalars(locked).all():
        set_state(session, experiment, ExperimentState.WAITING, "its data set is prepared again")


def _withdraw(
    session: Session, experiment: ExperimentRow, step: Step, *, because: str, also: Sequence[JobRow] = ()
) -> None:
    """Withdraw the gate, decisions and jobs that were made from the step's runs, and these jobs."""
    followers = session.scalars(_jobs_of(experiment.id).where(JobRow.step.in_(FOLLOWERS.get(step, ())))).all()
    jobs = [*also, *followers]
    chosen = (DecisionRow.experiment_id == experiment.id, DecisionRow.stage.in_(CONCLUSIONS.get(step, ())))
    decisions = session.scalars(select(DecisionRow).where(*chosen).order_by(DecisionRow.stage)).all()
    gate = experiment.gate if step in BASES else None
    if not jobs and not decisions and gate is None:
        return
    body = {
        "because": because,
        "jobs": {str(job.step): job.id for job in jobs},
        "gate": gate,
        "decisions": [decision.body for decision in decisions],
    }
    session.execute(insert(EventRow).values(experiment_id=experiment.id, kind=WITHDRAWN, body=body, at=now_s()))
    ids = [job.id for job in jobs]
    cancel_runs(session, select(RunRow).where(RunRow.job_id.in_(ids)))
    _set(session, update(JobRow).where(JobRow.id.in_(ids)).values(step=None, version=JobRow.version + 1))
    session.execute(delete(DecisionRow).where(*chosen))
    if gate is not None:
        _set(session, update(ExperimentRow).where(ExperimentRow.id == experiment.id).values(gate=null()))


def _set(session: Session, change: Update) -> None:
    session.execute(change.execution_options(synchronize_session=False))
