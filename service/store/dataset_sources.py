"""The files and folders that data sets are made of, as one column holds them."""

from sqlalchemy import ColumnElement, literal, or_

from cellgate.contract.states import DatasetState
from service.store.tables import DatasetRow

# Between the paths of `DatasetRow.source`; no path that is accepted has one.
BETWEEN_SOURCES = "\n"


def sources_of(dataset: DatasetRow) -> list[str]:
    """Return the paths of the files and folders that a data set is made of."""
    return dataset.source.split(BETWEEN_SOURCES)


def reads_source(path: str) -> ColumnElement[bool]:
    """Return the condition of data sets that may still read this file: a ready one has copied what it needs.

    Args:
        path: Absolute, as workers see it.
    """
    lines = literal(BETWEEN_SOURCES) + DatasetRow.source + BETWEEN_SOURCES
    is_one = lines.contains(f"{BETWEEN_SOURCES}{path}{BETWEEN_SOURCES}", autoescape=True)
    named = or_(is_one, DatasetRow.spec["graphs"].as_string() == path)
    return (DatasetRow.state != DatasetState.READY.value) & named
