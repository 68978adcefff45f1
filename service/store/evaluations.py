"""Evaluations: runs that judge a detector on a data set that it was not trained on."""

from pathlib import Path

from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import RunLimits
from service.domain.errors import InvalidSpec, Mistake, NotFound
from service.domain.principals import Owner
from service.store.bundles import ready_bundle
from service.store.jobs import create_job
from service.store.runs import get_run
from service.store.steps import ONE_RUN
from service.store.tables import JobRow, RunRow


def start_evaluation(
    session: Session,
    *,
    dataset_id: str,
    bundle_id: str | None,
    scores: Path | None,
    threshold: float | None,
    cutoff: str | None,
    limits: RunLimits,
    owner: Owner,
) -> RunRow:
    """Queue a run that judges a detector and return it.

    Args:
        session: An open transaction.
        dataset_id: The data set, which may be for evaluation only.
        bundle_id: The bundle; None: a file of scores.
        scores: The file, as workers see it; None: a bundle.
        threshold: At or above it a function is called vulnerable; None: the detector's own.
        cutoff: Last day of which a pretrained model may have read; None: not stated.
        limits: Priority, queue and time limits of the run.
        owner: Whom it belongs to.

    Raises:
        InvalidSpec: There is no such data set or no such bundle.
        Conflict: One of them is not ready.
    """
    if bundle_id is not None:
        try:
            ready_bundle(session, bundle_id)
        except NotFound as error:
            detail = f"{error.detail}; GET /v1/bundles lists those there are"
            raise InvalidSpec(detail, mistakes=[Mistake(pointer="/bundle", detail=detail)]) from error
    job = create_job(
        session,
        cell=Cell.EVALUATE,
        dataset_id=dataset_id,
        config={
            "bundle": bundle_id,
            "scores": None if scores is None else str(scores),
            "threshold": threshold,
            "cutoff": cutoff,
        },
        seeds=ONE_RUN,
        limits=limits,
        owner=owner,
    )
    (run,) = job.runs
    return run


def get_evaluation(session: Session, run_id: str) -> tuple[RunRow, JobRow]:
    """Return the run and the job of an evaluation.

    Raises:
        NotFound: There is no such run, or it is one of another cell.
    """
    run = get_run(session, run_id)
    if run.cell != Cell.EVALUATE.value:
        raise NotFound(f"run {run_id} is no evaluation: it is of cell {run.cell}")
    return run, session.get_one(JobRow, run.job_id)
