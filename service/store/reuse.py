"""Equal runs: what a run's result depends on is hashed into its key, and a finished run of that key gives its result.

Only a run that was trained itself is reused, so that there is no chain of them.
"""

from collections.abc import Sequence

from sqlalchemy import case, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.states import LEASED, RunState
from service.store.tables import DatasetRow, JobRow, RunRow

# Finished runs that are looked at; the files of those before may be damaged.
LOOKED_AT = 3


def content_hash_of(session: Session, run_id: str) -> str | None:
    """Return the content hash of the data set that a run works on; None while that is not ready."""
    chosen = (
        select(DatasetRow.content_hash)
        .join(JobRow, JobRow.dataset_id == DatasetRow.id)
        .join(RunRow, RunRow.job_id == JobRow.id)
    )
    return session.scalar(chosen.where(RunRow.id == run_id))


def record_key(session: Session, *, run_id: str, attempt: int, key: str | None, goes_on: bool) -> bool:
    """Store the key of what an attempt is about to train, and return whether the run may reuse an equal one's result.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number; an attempt that has lost its lease changes nothing.
        key: Of `worker.reuse`; None where it is not known.
        goes_on: Whether it goes on from a checkpoint. Was that of another key, such as another machine's, the result
            is of neither, and the run has no key any more.
    """
    stored = case((RunRow.reuse_key == key, RunRow.reuse_key), else_=null()) if goes_on else key
    fresh = session.scalar(
        update(RunRow)
        .where(RunRow.id == run_id, RunRow.attempt == attempt, RunRow.state.in_(LEASED))
        .values(reuse_key=stored)
        .returning(RunRow.fresh)
        .execution_options(synchronize_session=False)
    )
    return fresh is False


def equal_runs(session: Session, key: str) -> Sequence[RunRow]:
    """Return finished runs of a key that were trained themselves, the newest first."""
    chosen = select(RunRow).where(
        RunRow.reuse_key == key, RunRow.state == RunState.SUCCEEDED, RunRow.reused_from.is_(None)
    )
    return session.scalars(chosen.order_by(RunRow.id.desc()).limit(LOOKED_AT)).all()


def reused_lines(session: Session, experiment_id: str) -> list[str]:
    """Return a line for each run of an experiment whose result is that of an equal one: cell, seed, and that run."""
    chosen = select(RunRow.cell, RunRow.seed, RunRow.reused_from).where(
        RunRow.experiment_id == experiment_id, RunRow.reused_from.is_not(None), RunRow.superseded_by.is_(None)
    )
    found = session.execute(chosen.order_by(RunRow.cell, RunRow.seed))
    return [f"{ENTRY_OF[Cell(cell)].label}, seed {seed}, from {original}" for cell, seed, original in found]
