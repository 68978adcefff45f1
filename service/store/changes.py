"""Whether anything that lists and the overview show has changed: one cheap statement, however much there is."""

from collections.abc import Hashable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cellgate.contract.states import DatasetState, ExperimentState
from service.store.tables import AuditRow, DatasetRow, EventRow, ExperimentRow, WorkerRow
from service.store.workers import is_alive

OPEN = [state.value for state in ExperimentState if not state.terminal]


def load_mark(session: Session) -> Hashable:
    """Return a value that differs after every change of an experiment, a run, a data set or a worker.

    Transitions are events, what people do is in the audit log, and progress raises the version of an experiment that
    goes on. On PostgreSQL two transactions that end in another order than they began may hide one change from this; it
    shows with the next one.
    """
    goes_on = ExperimentRow.state.in_(OPEN)
    is_preparing = DatasetRow.state == DatasetState.PREPARING.value
    marks = (
        select(func.max(EventRow.id)),
        select(func.max(AuditRow.id)),
        select(func.count(ExperimentRow.id)).where(goes_on),
        select(func.sum(ExperimentRow.version)).where(goes_on),
        select(func.sum(DatasetRow.version)).where(is_preparing),
        select(func.count(WorkerRow.id)).where(is_alive()),
        select(func.count(WorkerRow.id)).where(is_alive(), WorkerRow.draining),
        select(func.max(WorkerRow.started_at)),
    )
    return tuple(session.execute(select(*(mark.scalar_subquery() for mark in marks))).one())
