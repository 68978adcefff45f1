"""The files and folders that data sets are made of, as one column holds them."""

from pathlib import PurePath

from sqlalchemy import ColumnElement, func, literal, or_, select
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.states import DatasetState, RunState
from service.store.tables import DatasetRow, JobRow, RunRow

# Between the paths of `DatasetRow.source`; no path that is accepted has one.
BETWEEN_SOURCES = "\n"
_UNFINISHED = [state.value for state in RunState if not state.terminal]


def sources_of(dataset: DatasetRow) -> list[str]:
    """Return the paths of the files and folders that a data set is made of."""
    return dataset.source.split(BETWEEN_SOURCES)


def reads_source(path: str) -> ColumnElement[bool]:
    """Return the condition of data sets that may still read this file: a ready one has copied what it needs.

    Args:
        path: Absolute, as workers see it; a source may also be a folder that it lies in.
    """
    lines = literal(BETWEEN_SOURCES) + DatasetRow.source + BETWEEN_SOURCES
    places = _with_folders(path)
    # LIKE would take two names that differ in case for one, on SQLite alone.
    is_one = [func.replace(lines, f"{BETWEEN_SOURCES}{place}{BETWEEN_SOURCES}", "") != lines for place in places]
    named = or_(*is_one, DatasetRow.spec["graphs"].as_string().in_(places))
    return (DatasetRow.state != DatasetState.READY.value) & named


def inspections_of(session: Session, path: str) -> set[str]:
    """Return the jobs of inspections that have not ended and are to read this file.

    Args:
        session: An open transaction.
        path: Absolute, as workers see it; a source may also be a folder that it lies in.
    """
    places = set(_with_folders(path))
    chosen = select(JobRow.id, JobRow.spec).join(RunRow, RunRow.job_id == JobRow.id)
    # So few are open at any time that their lists of sources need no index.
    found = session.execute(chosen.where(JobRow.cell == Cell.INSPECT.value, RunRow.state.in_(_UNFINISHED)))
    return {job_id for job_id, spec in found if not places.isdisjoint(spec["source"])}


def _with_folders(path: str) -> list[str]:
    return [path, *map(str, PurePath(path).parents)]
