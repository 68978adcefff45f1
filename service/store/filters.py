"""Filters of lists: which conditions an index answers, and which have to be asked of each row."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from ulid import ULID

from cellgate.contract.conclusion import JobOutcome
from cellgate.contract.identifiers import PRINCIPAL_ID
from cellgate.contract.states import ExperimentState, JobState, RunState
from service.store.lookup import Prefix
from service.store.paging import Listed, Matching
from service.store.tables import (
    BundleRow,
    DatasetRow,
    ExperimentRow,
    JobRow,
    LabelRow,
    PrincipalRow,
    RunRow,
    UploadRow,
)

# Ids come from the clock of a server, `created_at` from the database's: they may differ by up to this much.
CLOCKS_DIFFER_S = 86_400.0
_MAX_ULID_S = float(2**48 // 1000)
_LIVE = [state.value for state in RunState if not state.terminal]
_ENDED = [state.value for state in ExperimentState if state.terminal]
_STATE_OF: Mapping[JobOutcome, JobState] = {
    JobOutcome.BROKEN: JobState.FAILED,
    JobOutcome.STOPPED: JobState.CANCELLED,
    JobOutcome.COMPLETE: JobState.SUCCEEDED,
}
SURELY_OF_ULID = re.compile(r"^[0-9A-Za-z]{6,26}\Z")


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Filters of a list; an empty collection or None matches everything.

    Args:
        states: Any of these states.
        cells: Any of these cells.
        experiment_id: Rows of this experiment.
        job_id: Rows of this job.
        dataset_id: Rows of this data set.
        name: Data sets of this name.
        name_version: Data sets with this number among those of their name.
        labels: Rows with all of these labels, by key.
        archived: True: archived rows alone; False: the others alone.
        outcomes: Experiments or jobs that have ended with any of these outcomes.
        since_s: Created at this time or later, in seconds since the epoch.
        before_s: Created before this time.
        text: A part of the name, whatever its case, or the beginning of the id.
        owner: Id or name of whom they belong to.
    """

    states: Collection[str] = ()
    cells: Collection[str] = ()
    experiment_id: str | None = None
    job_id: str | None = None
    dataset_id: str | None = None
    name: str | None = None
    name_version: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    archived: bool | None = None
    outcomes: Collection[str] = ()
    since_s: float | None = None
    before_s: float | None = None
    text: str | None = None
    owner: str | None = None


EVERYTHING = Filters()
VISIBLE = Filters(archived=False)


def matching_datasets(wanted: Filters) -> Matching:
    """Return the data sets that match."""
    return _matching(
        DatasetRow,
        "ds",
        wanted,
        *_equal(DatasetRow.name, wanted.name),
        *_equal(DatasetRow.name_version, wanted.name_version),
        *_one_of(DatasetRow.state, wanted.states),
        looked=_labelled(DatasetRow, wanted),
    )


def matching_experiments(wanted: Filters) -> Matching:
    """Return the experiments that match."""
    labels = [
        ExperimentRow.id.in_(select(LabelRow.experiment_id).where(LabelRow.key == key, LabelRow.value == value))
        for key, value in wanted.labels.items()
    ]
    # A process of an older release that retries a run leaves the outcome of the end before.
    ended = [ExperimentRow.state.in_(_ENDED)] if wanted.outcomes else []
    return _matching(
        ExperimentRow,
        "exp",
        wanted,
        *labels,
        *_equal(ExperimentRow.dataset_id, wanted.dataset_id),
        *_one_of(ExperimentRow.outcome, wanted.outcomes),
        *ended,
        *_one_of(ExperimentRow.state, wanted.states),
    )


def matching_jobs(wanted: Filters) -> Matching:
    """Return the jobs that match."""
    outcomes = [_job_is(_STATE_OF[JobOutcome(outcome)]) for outcome in wanted.outcomes]
    states = [_job_is(JobState(state)) for state in wanted.states]
    return _matching(
        JobRow,
        "job",
        wanted,
        *_equal(JobRow.experiment_id, wanted.experiment_id),
        *_equal(JobRow.dataset_id, wanted.dataset_id),
        *_one_of(JobRow.cell, wanted.cells),
        looked=[*_labelled(JobRow, wanted), *(or_(*any_of) for any_of in (outcomes, states) if any_of)],
    )


def matching_runs(wanted: Filters) -> Matching:
    """Return the runs that match."""
    return _matching(
        RunRow,
        "run",
        wanted,
        *_equal(RunRow.experiment_id, wanted.experiment_id),
        *_equal(RunRow.job_id, wanted.job_id),
        *_one_of(RunRow.cell, wanted.cells),
        *_one_of(RunRow.state, wanted.states),
        looked=_labelled(RunRow, wanted),
    )


def matching_uploads(wanted: Filters) -> Matching:
    """Return the uploads that match."""
    return _matching(UploadRow, "upl", wanted, looked=_labelled(UploadRow, wanted))


def matching_bundles(wanted: Filters) -> Matching:
    """Return the bundles that match."""
    of_experiment = _equal(BundleRow.experiment_id, wanted.experiment_id)
    return _matching(BundleRow, "bun", wanted, *of_experiment, looked=_labelled(BundleRow, wanted))


def _labelled(
    table: type[BundleRow] | type[DatasetRow] | type[JobRow] | type[RunRow] | type[UploadRow], wanted: Filters
) -> list[ColumnElement[bool]]:
    return [table.labels[key].as_string() == value for key, value in wanted.labels.items()]


def _matching(
    table: Listed,
    prefix: Prefix,
    wanted: Filters,
    *where: ColumnElement[bool],
    looked: Sequence[ColumnElement[bool]] = (),
) -> Matching:
    """Return the rows that match these conditions and those that every list has."""
    found: list[ColumnElement[bool]] = [*where, *_owned(table, wanted.owner)]
    ranged: list[ColumnElement[bool]] = []
    if wanted.archived:
        ranged.append(table.archived_at.is_not(None))
    elif wanted.archived is not None:
        found.append(table.archived_at.is_(None))
    # The bound on the id lets the index skip rows far outside the period; `created_at` decides.
    if wanted.since_s is not None:
        oldest = f"{prefix}_{_ulid_at(wanted.since_s - CLOCKS_DIFFER_S)}"
        ranged += [table.id >= oldest, table.created_at >= wanted.since_s]
    if wanted.before_s is not None:
        newest = f"{prefix}_{_ulid_at(wanted.before_s + CLOCKS_DIFFER_S)}"
        ranged += [table.id < newest, table.created_at < wanted.before_s]
    matching = Matching(table=table, where=found, ranged=ranged, looked=looked)
    if wanted.text is None:
        return matching
    if (beginning := _beginning_of_id(prefix, wanted.text)) is not None:
        # No character of an id sorts behind a tilde.
        ranged += [table.id >= beginning, table.id < f"{beginning}~"]
        return matching
    return replace(matching, named=_named(wanted.text))


def _owned(table: Listed, owner: str | None) -> list[ColumnElement[bool]]:
    if owner is None:
        return []
    if re.match(PRINCIPAL_ID, owner):
        return [table.owner_id == owner]
    # Two principals may have one name, at different times.
    return [table.owner_id.in_(select(PrincipalRow.id).where(PrincipalRow.name == owner))]


def _beginning_of_id(prefix: Prefix, text: str) -> str | None:
    """Return the beginning of an id that a text is, long enough that hardly any name is one; None: it is none."""
    written = text.strip()
    kind, _, ulid = written.partition("_")
    if kind.lower() != prefix or not SURELY_OF_ULID.match(ulid):
        return None
    return f"{prefix}_{ulid.upper()}"


def _named(text: str) -> Callable[[str, str | None], bool]:
    wanted = text.strip().casefold()

    def named(row_id: str, name: str | None) -> bool:
        return wanted in (name or "").casefold() or row_id.casefold().startswith(wanted)

    return named


def _ulid_at(seconds: float) -> str:
    """Return the lowest ULID of a moment."""
    milliseconds = int(1000 * min(max(seconds, 0.0), _MAX_ULID_S))
    return str(ULID(milliseconds.to_bytes(6, "big") + bytes(10)))


def _equal(column: Any, value: str | int | None) -> list[ColumnElement[bool]]:
    return [] if value is None else [column == value]


def _one_of(column: Any, values: Collection[str]) -> list[ColumnElement[bool]]:
    return [column.in_(sorted(values))] if values else []


def _job_is(state: JobState) -> ColumnElement[bool]:
    """Return the rule of `cellgate.contract.states.job_state` over the job's runs that count."""
    live, moved = _any_run(RunRow.state.in_(_LIVE)), _any_run(RunRow.state != RunState.QUEUED)
    failed, cancelled = _any_run(RunRow.state == RunState.FAILED), _any_run(RunRow.state == RunState.CANCELLED)
    match state:
        case JobState.QUEUED:
            return ~moved
        case JobState.RUNNING:
            return and_(live, moved)
        case JobState.FAILED:
            return and_(~live, failed)
        case JobState.CANCELLED:
            return and_(~live, ~failed, cancelled)
        case JobState.SUCCEEDED:
            return and_(~live, ~failed, ~cancelled)


def _any_run(so: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(RunRow.id).where(RunRow.job_id == JobRow.id, RunRow.superseded_by.is_(None), so).exists()
