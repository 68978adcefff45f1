"""How far what is polled has come: version and state, each in one statement on indexed rows, without any body."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Executable, func, literal, null, select
from sqlalchemy.orm import Session, defer, load_only

from service.domain.errors import NotFound
from service.domain.states import DatasetState, ExperimentState, RunState
from service.store.tables import DatasetRow, ExperimentRow, JobRow, RunRow

Row = DatasetRow | ExperimentRow | JobRow | RunRow
TABLES: Mapping[str, type[Row]] = {"ds": DatasetRow, "exp": ExperimentRow, "job": JobRow, "run": RunRow}
_LIVE = [state.value for state in RunState if not state.terminal]
_WAITING = (RunState.QUEUED.value, RunState.PAUSED.value)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far something has come.

    Args:
        version: Rises with every change of what is stored of it.
        ended: Whether it, and every run below it, can still change: false while any can.
        waits: Whether a run of it waits, so that its place in the queue changes without its version.
        eta_s: Until the next of its runs that are at work ends, in seconds, where one has said so.
    """

    version: int
    ended: bool
    waits: bool
    eta_s: float | None


def dataset_standing(session: Session, dataset_id: str) -> Standing:
    """Return a data set's standing.

    Raises:
        NotFound: There is no such data set.
    """
    ended = DatasetRow.state != DatasetState.PREPARING.value
    chosen = select(DatasetRow.version, ended, literal(False), null()).where(DatasetRow.id == dataset_id)
    return _standing(session, f"there is no data set {dataset_id}", chosen)


def run_standing(session: Session, run_id: str) -> Standing:
    """Return a run's standing.

    Raises:
        NotFound: There is no such run.
    """
    chosen = select(RunRow.version, RunRow.state.not_in(_LIVE), RunRow.state.in_(_WAITING), RunRow.eta_s)
    return _standing(session, f"there is no run {run_id}", chosen.where(RunRow.id == run_id))


def job_standing(session: Session, job_id: str) -> Standing:
    """Return a job's standing.

    Raises:
        NotFound: There is no such job.
    """
    of_it = RunRow.job_id == job_id
    chosen = select(JobRow.version, ~_any_run(of_it, _LIVE), _any_run(of_it, _WAITING), _first_eta(of_it))
    return _standing(session, f"there is no job {job_id}", chosen.where(JobRow.id == job_id))


def experiment_standing(session: Session, experiment_id: str) -> Standing:
    """Return an experiment's standing; one that was cancelled has not ended before its trainers have.

    Raises:
        NotFound: There is no such experiment.
    """
    of_it = RunRow.experiment_id == experiment_id
    terminal = ExperimentRow.state.in_([state.value for state in ExperimentState if state.terminal])
    ended = terminal & ~_any_run(of_it, _LIVE)
    chosen = select(ExperimentRow.version, ended, _any_run(of_it, _WAITING), _first_eta(of_it))
    chosen = chosen.where(ExperimentRow.id == experiment_id)
    return _standing(session, f"there is no experiment {experiment_id}", chosen)


def experiment_essence(session: Session, experiment_id: str) -> tuple[ExperimentRow, str | None]:
    """Return the few columns that say where an experiment is, and its gate's verdict.

    Raises:
        NotFound: There is no such experiment.
    """
    few = load_only(
        ExperimentRow.state,
        ExperimentRow.failure_detail,
        ExperimentRow.finished_at,
        ExperimentRow.version,
        raiseload=True,
    )
    chosen = select(ExperimentRow, ExperimentRow.gate["verdict"].as_string()).options(few)
    found = session.execute(chosen.where(ExperimentRow.id == experiment_id)).one_or_none()
    if found is None:
        raise NotFound(f"there is no experiment {experiment_id}")
    return found[0], found[1]


def run_without_result(session: Session, run_id: str) -> RunRow:
    """Return a run without its result.

    Raises:
        NotFound: There is no such run.
    """
    row = session.scalar(select(RunRow).options(defer(RunRow.result, raiseload=True)).where(RunRow.id == run_id))
    if row is None:
        raise NotFound(f"there is no run {run_id}")
    return row


def versions_of(session: Session, ids: Collection[str]) -> dict[str, int]:
    """Return the version of each of these rows, by id, with one statement for each table that they are of."""
    versions: dict[str, int] = {}
    for prefix, table in TABLES.items():
        chosen = [row_id for row_id in ids if row_id.startswith(f"{prefix}_")]
        if chosen:
            rows = session.execute(select(table.id, table.version).where(table.id.in_(chosen)))
            versions |= {row_id: version for row_id, version in rows}  # noqa: C416 - rows are no pairs to mypy
    return versions


def _any_run(of_it: ColumnElement[bool], states: Collection[str]) -> ColumnElement[bool]:
    return select(RunRow.id).where(of_it, RunRow.state.in_(states)).exists()


def _first_eta(of_it: ColumnElement[bool]) -> ColumnElement[Any]:
    return select(func.min(RunRow.eta_s)).where(of_it, RunRow.state.in_(_LIVE)).scalar_subquery()


def _standing(session: Session, missing: str, chosen: Executable) -> Standing:
    found = session.execute(chosen).one_or_none()
    if found is None:
        raise NotFound(missing)
    version, ended, waits, eta_s = found
    return Standing(
        version=int(version), ended=bool(ended), waits=bool(waits), eta_s=None if eta_s is None else float(eta_s)
    )
