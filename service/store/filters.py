"""Filters and pages of lists. Pages are by keyset on ids, which sort by age."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, or_, select
from ulid import ULID

from cellgate.contract.conclusion import JobOutcome
from cellgate.contract.states import ExperimentState, JobState, RunState
from service.store.lookup import Prefix
from service.store.tables import BundleRow, DatasetRow, ExperimentRow, JobRow, LabelRow, RunRow, UploadRow

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
Listed = type[BundleRow] | type[DatasetRow] | type[ExperimentRow] | type[JobRow] | type[RunRow] | type[UploadRow]


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


EVERYTHING = Filters()
VISIBLE = Filters(archived=False)


@dataclass(frozen=True, kw_only=True)
class PageOf:
    """One page of a list: `limit` items after the one whose id is `after`, newest first."""

    limit: int = 50
    after: str | None = None


FIRST_PAGE = PageOf()


def page_of_datasets(page: PageOf, wanted: Filters) -> Select[DatasetRow]:
    """Return the selection of a page of data sets."""
    chosen = _labelled(_page(select(DatasetRow), DatasetRow, "ds", page, wanted), DatasetRow, wanted)
    chosen = _equal(chosen, DatasetRow.name, wanted.name)
    chosen = _equal(chosen, DatasetRow.name_version, wanted.name_version)
    return _one_of(chosen, DatasetRow.state, wanted.states)


def page_of_experiments(page: PageOf, wanted: Filters) -> Select[ExperimentRow]:
    """Return the selection of a page of experiments."""
    chosen = _page(select(ExperimentRow), ExperimentRow, "exp", page, wanted)
    for key, value in wanted.labels.items():
        of_it = LabelRow.experiment_id == ExperimentRow.id
        chosen = chosen.where(select(LabelRow.key).where(of_it, LabelRow.key == key, LabelRow.value == value).exists())
    chosen = _equal(chosen, ExperimentRow.dataset_id, wanted.dataset_id)
    if wanted.outcomes:
        # A process of an older release that retries a run leaves the outcome of the end before.
        chosen = chosen.where(ExperimentRow.outcome.in_(sorted(wanted.outcomes)), ExperimentRow.state.in_(_ENDED))
    return _one_of(chosen, ExperimentRow.state, wanted.states)


def page_of_jobs(page: PageOf, wanted: Filters) -> Select[JobRow]:
    """Return the selection of a page of jobs."""
    chosen = _labelled(_page(select(JobRow), JobRow, "job", page, wanted), JobRow, wanted)
    chosen = _equal(chosen, JobRow.experiment_id, wanted.experiment_id)
    chosen = _equal(chosen, JobRow.dataset_id, wanted.dataset_id)
    chosen = _one_of(chosen, JobRow.cell, wanted.cells)
    outcomes = [_job_is(_STATE_OF[JobOutcome(outcome)]) for outcome in wanted.outcomes]
    states = [_job_is(JobState(state)) for state in wanted.states]
    for any_of in (outcomes, states):
        chosen = chosen.where(or_(*any_of)) if any_of else chosen
    return chosen


def page_of_runs(page: PageOf, wanted: Filters) -> Select[RunRow]:
    """Return the selection of a page of runs."""
    chosen = _labelled(_page(select(RunRow), RunRow, "run", page, wanted), RunRow, wanted)
    chosen = _equal(chosen, RunRow.experiment_id, wanted.experiment_id)
    chosen = _equal(chosen, RunRow.job_id, wanted.job_id)
    chosen = _one_of(chosen, RunRow.cell, wanted.cells)
    return _one_of(chosen, RunRow.state, wanted.states)


def page_of_uploads(page: PageOf, wanted: Filters) -> Select[UploadRow]:
    """Return the selection of a page of uploads."""
    return _labelled(_page(select(UploadRow), UploadRow, "upl", page, wanted), UploadRow, wanted)


def page_of_bundles(chosen: Select[BundleRow, RunRow], page: PageOf, wanted: Filters) -> Select[BundleRow, RunRow]:
    """Return the page of a selection of bundles with their runs."""
    # The helpers take a selection of any columns, which has no type of its own.
    columns: Any = chosen
    paged = _labelled(_page(columns, BundleRow, "bun", page, wanted), BundleRow, wanted)
    found: Any = _equal(paged, BundleRow.experiment_id, wanted.experiment_id)
    return cast(Select[BundleRow, RunRow], found)


def _labelled(
    chosen: Select[Any],
    table: type[BundleRow] | type[DatasetRow] | type[JobRow] | type[RunRow] | type[UploadRow],
    wanted: Filters,
) -> Select[Any]:
    for key, value in wanted.labels.items():
        chosen = chosen.where(table.labels[key].as_string() == value)
    return chosen


def _page(chosen: Select[Any], table: Listed, prefix: Prefix, page: PageOf, wanted: Filters) -> Select[Any]:
    chosen = chosen.order_by(table.id.desc()).limit(page.limit)
    if page.after is not None:
        chosen = chosen.where(table.id < page.after)
    if wanted.archived is not None:
        chosen = chosen.where(table.archived_at.is_not(None) if wanted.archived else table.archived_at.is_(None))
    # The bound on the id lets the index skip rows far outside the period; `created_at` decides.
    if wanted.since_s is not None:
        oldest = f"{prefix}_{_ulid_at(wanted.since_s - CLOCKS_DIFFER_S)}"
        chosen = chosen.where(table.id >= oldest, table.created_at >= wanted.since_s)
    if wanted.before_s is not None:
        newest = f"{prefix}_{_ulid_at(wanted.before_s + CLOCKS_DIFFER_S)}"
        chosen = chosen.where(table.id < newest, table.created_at < wanted.before_s)
    return chosen


def _ulid_at(seconds: float) -> str:
    """Return the lowest ULID of a moment."""
    milliseconds = int(1000 * min(max(seconds, 0.0), _MAX_ULID_S))
    return str(ULID(milliseconds.to_bytes(6, "big") + bytes(10)))


def _equal(chosen: Select[Any], column: Any, value: str | int | None) -> Select[Any]:
    return chosen if value is None else chosen.where(column == value)


def _one_of(chosen: Select[Any], column: Any, values: Collection[str]) -> Select[Any]:
    return chosen.where(column.in_(sorted(values))) if values else chosen


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
