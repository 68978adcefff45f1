"""Inspections: runs that show how a source would be read as a data set."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import RunLimits
from service.domain.errors import NotFound
from service.domain.principals import Owner
from service.store.jobs import create_job
from service.store.runs import get_run
from service.store.steps import ONE_RUN
from service.store.tables import RunRow


def start_inspection(
    session: Session, *, sources: Sequence[str], config: dict[str, Any], limits: RunLimits, owner: Owner
) -> RunRow:
    """Queue a run that reads a source and return it.

    Args:
        session: An open transaction.
        sources: Absolute paths of files and folders, as workers see them.
        config: The settings of `cellgate.contract.configs.PrepareConfig`, as JSON values.
        limits: Priority, queue and time limits of the run.
        owner: Whom it belongs to.
    """
    job = create_job(
        session,
        cell=Cell.INSPECT,
        dataset_id=None,
        config={**config, "source": list(sources)},
        seeds=ONE_RUN,
        limits=limits,
        owner=owner,
    )
    (run,) = job.runs
    return run


def get_inspection(session: Session, run_id: str) -> RunRow:
    """Return the run of an inspection.

    Raises:
        NotFound: There is no such run, or it is one of another cell.
    """
    run = get_run(session, run_id)
    if run.cell != Cell.INSPECT.value:
        raise NotFound(f"run {run_id} is no inspection: it is of cell {run.cell}")
    return run
