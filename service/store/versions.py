"""Versions and states of polled rows, read in one statement on indexed columns, without any body."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, literal, null, select
from sqlalchemy.orm import Session, defer, load_only

from cellgate.contract.states import DatasetState, ExperimentState, RunState
from service.store.database import Reader
from service.store.lookup import existing
from service.store.tables import DatasetRow, ExperimentRow, JobRow, RunRow

VersionedRow = DatasetRow | ExperimentRow | JobRow | RunRow
TABLES: Mapping[str, type[VersionedRow]] = {"ds": DatasetRow, "exp": ExperimentRow, "job": JobRow, "run": RunRow}
IDS = "ids"
_LIVE = [state.value for state in RunState if not state.terminal]
_WAITING = (RunState.QUEUED.value, RunState.PAUSED.value)


@dataclass(frozen=True, kw_only=True)
class PollState:
    """Poll state of a data set, an experiment, a job or a run.

    Args:
        version: Rises with every stored change.
        ended: Whether neither it nor any of its runs can change any more.
        waits: Whether one of its runs is queued or paused: its place in the queue changes without its version.
        eta_s: Seconds until the next of its leased runs ends; None if no run has an estimate.
    """

    version: int
    ended: bool
    waits: bool
    eta_s: float | None


def load_poll_state(session: Session, row_id: str) -> PollState:
    """Return the poll state of a data set, an experiment, a job or a run.

    Raises:
        NotFound: There is no such thing.
    """
    found = load_poll_states(session, [row_id]).get(row_id)
    return existing(found, TABLES[row_id.partition("_")[0]], row_id)


def load_poll_states(reader: Reader, ids: Collection[str]) -> dict[str, PollState]:
    """Return the poll states of those ids that exist, by id, with one statement per table."""
    found: dict[str, PollState] = {}
    for prefix, of_ids in _by_table(ids):
        for row_id, version, ended, waits, eta_s in reader.execute(_POLL_STATES[prefix], {IDS: of_ids}):
            found[row_id] = PollState(version=version, ended=bool(ended), waits=bool(waits), eta_s=eta_s)
    return found


def load_experiment_status(session: Session, experiment_id: str) -> tuple[ExperimentRow, str | None]:
    """Return an experiment with only its status columns loaded, and its gate's verdict.

    Raises:
        NotFound: There is no such experiment.
    """
    few = load_only(
        ExperimentRow.state,
        ExperimentRow.failure_detail,
        ExperimentRow.finished_at,
        ExperimentRow.conclusion,
        ExperimentRow.concluded_at,
        ExperimentRow.version,
        ExperimentRow.paused_at,
        raiseload=True,
    )
    chosen = select(ExperimentRow, ExperimentRow.gate["verdict"].as_string()).options(few)
    found = session.execute(chosen.where(ExperimentRow.id == experiment_id)).one_or_none()
    row, verdict = existing(found, ExperimentRow, experiment_id)
    return row, verdict


def run_without_result(session: Session, run_id: str) -> RunRow:
    """Return a run without its result.

    Raises:
        NotFound: There is no such run.
    """
    row = session.scalar(select(RunRow).options(defer(RunRow.result, raiseload=True)).where(RunRow.id == run_id))
    return existing(row, RunRow, run_id)


def load_run_statuses(reader: Reader, run_ids: Collection[str]) -> list[tuple[Row[Any], PollState]]:
    """Return what tells the status of those runs that exist, as rows of its columns, each with its poll state."""
    return [
        (
            row,
            PollState(version=row.version, ended=row.state not in _LIVE, waits=row.state in _WAITING, eta_s=row.eta_s),
        )
        for row in reader.execute(_RUN_STATUS, {IDS: list(run_ids)})
    ]


def load_versions(reader: Reader, ids: Collection[str]) -> dict[str, int]:
    """Return the versions of those ids that exist, by id, with one statement per table."""
    versions: dict[str, int] = {}
    for prefix, of_ids in _by_table(ids):
        for row_id, version in reader.execute(_VERSIONS[prefix], {IDS: of_ids}):
            versions[row_id] = version
    return versions


def _by_table(ids: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    for prefix in TABLES:
        if of_ids := [row_id for row_id in ids if row_id.startswith(f"{prefix}_")]:
            yield prefix, of_ids


def _any_run(of_it: ColumnElement[bool], states: Collection[str]) -> ColumnElement[bool]:
    return select(RunRow.id).where(of_it, RunRow.state.in_(states)).exists()


def _first_eta(of_it: ColumnElement[bool]) -> ColumnElement[Any]:
    return select(func.min(RunRow.eta_s)).where(of_it, RunRow.state.in_(_LIVE)).scalar_subquery()


def _choose_jobs() -> Select[Any]:
    of_it = RunRow.job_id == JobRow.id
    ended, waits = ~_any_run(of_it, _LIVE), _any_run(of_it, _WAITING)
    return _choose(JobRow.id, JobRow.version, ended, waits, _first_eta(of_it))


def _choose_experiments() -> Select[Any]:
    of_it = RunRow.experiment_id == ExperimentRow.id
    terminal = ExperimentRow.state.in_([state.value for state in ExperimentState if state.terminal])
    # One that was cancelled has not ended before its trainers have.
    ended, waits = terminal & ~_any_run(of_it, _LIVE), _any_run(of_it, _WAITING)
    return _choose(ExperimentRow.id, ExperimentRow.version, ended, waits, _first_eta(of_it))


def _choose(*columns: Any) -> Select[Any]:
    return select(*columns)


def _of_ids(chosen: Select[Any], table: type[VersionedRow]) -> Select[Any]:
    # Built once: to build a statement takes longer than to execute it.
    return chosen.where(table.id.in_(bindparam(IDS, expanding=True)))


_VERSIONS = {prefix: _of_ids(_choose(table.id, table.version), table) for prefix, table in TABLES.items()}
_CHOSEN: Mapping[str, Select[Any]] = {
    "ds": _choose(
        DatasetRow.id, DatasetRow.version, DatasetRow.state != DatasetState.PREPARING.value, literal(False), null()
    ),
    "exp": _choose_experiments(),
    "job": _choose_jobs(),
    "run": _choose(RunRow.id, RunRow.version, RunRow.state.not_in(_LIVE), RunRow.state.in_(_WAITING), RunRow.eta_s),
}
_POLL_STATES = {prefix: _of_ids(chosen, TABLES[prefix]) for prefix, chosen in _CHOSEN.items()}
_RUN_STATUS = _of_ids(
    _choose(
        RunRow.id,
        RunRow.version,
        RunRow.state,
        RunRow.attempt,
        RunRow.phase,
        RunRow.steps_done,
        RunRow.steps_total,
        RunRow.epoch,
        RunRow.epochs,
        RunRow.eta_s,
        RunRow.failure_reason,
        RunRow.finished_at,
    ),
    RunRow,
)
