"""The functions of a prepared data set, read from its index, and the source of one from functions.arrow."""

import os
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from cellgate.contract.api.functions import FunctionSummary
from cellgate.contract.artifacts import FUNCTION_INDEX_NAME, FUNCTION_INDEX_VERSION, FUNCTIONS_NAME
from cellgate.contract.untrusted_files import open_regular
from service.api.table_files import TableFile, Tables
from service.domain.errors import ArtifactMissing, NotFound

# More of a function is not shown; prepare takes longer ones, which nobody reads.
MOST_SOURCE_BYTES = 1 << 20
# No file is that large; an index that says so is damaged.
MOST_PLACE = 1 << 48
COLUMNS = ", ".join(FunctionSummary.model_fields)


@dataclass(frozen=True, kw_only=True)
class FunctionFilter:
    """Which functions are wanted; None: whatever they have.

    Args:
        words: Part of the name or id, in any case.
    """

    split: str | None = None
    label: int | None = None
    cwe: str | None = None
    project: str | None = None
    words: str | None = None

    def clauses(self) -> tuple[list[str], list[object]]:
        """Return the conditions and their values, for SQL."""
        wanted = {
            "split = ?": self.split,
            "label = ?": self.label,
            "instr(',' || replace(cwe, ' ', '') || ',', ',' || ? || ',') > 0": self.cwe,
            "project = ?": self.project,
            "instr(words, ?) > 0": None if self.words is None else self.words.casefold(),
        }
        given = {clause: value for clause, value in wanted.items() if value is not None}
        return list(given), list(given.values())


def index_of(folder: Path, dataset_id: str, *, vouched: bool) -> TableFile:
    """Return the index of a data set's functions.

    Args:
        folder: The data set's.
        dataset_id: For people.
        vouched: Whether the run that prepared it says that it left an index.
    """
    return TableFile(
        folder=folder,
        name=FUNCTION_INDEX_NAME,
        version=FUNCTION_INDEX_VERSION,
        whose=f"data set {dataset_id}",
        older=f"data set {dataset_id} was prepared by an older release, which left no list of its functions: prepare "
        "it again",
        vouched=vouched,
    )


def functions_in(tables: Tables, wanted: FunctionFilter, *, after: int | None, limit: int) -> list[FunctionSummary]:
    """Return a page of the functions that match, in the data set's order.

    Args:
        after: Only rows with a higher number; None: from the first.
        limit: Functions at most.
    """
    clauses, values = wanted.clauses()
    where = " AND ".join(["row > ?", *clauses])
    chosen = f"SELECT {COLUMNS} FROM functions WHERE {where} ORDER BY row LIMIT ?"
    return tables.models(FunctionSummary, chosen, [-1 if after is None else after, *values, limit])


@dataclass(frozen=True, kw_only=True)
class FoundFunction:
    """A function of a data set.

    Args:
        source: Cut after MOST_SOURCE_BYTES.
        source_bytes: Of the whole source.
    """

    summary: FunctionSummary
    source: str
    source_bytes: int


def function_in(tables: Tables, folder: Path, row: int) -> FoundFunction:
    """Return a function with its source.

    Args:
        tables: The data set's index.
        folder: The data set's.
        row: Number of the function.

    Raises:
        NotFound: The data set has no such row.
        ArtifactMissing: The source is not where the index says.
    """
    found = tables.rows(f"SELECT {COLUMNS}, begin, bytes FROM functions WHERE row = ?", [row])
    if not found:
        (count,) = tables.rows("SELECT count(*) FROM functions")[0]
        raise NotFound(f"the data set has no row {row}; it has {count}, numbered from 0")
    columns: dict[str, Any] = dict(found[0])
    begin, size = int(columns["begin"]), int(columns["bytes"])
    return FoundFunction(
        summary=FunctionSummary.model_validate(columns), source=_source(folder, begin, size), source_bytes=size
    )


def _source(folder: Path, begin: int, size: int) -> str:
    gone = ArtifactMissing(f"{FUNCTIONS_NAME} is gone or damaged: restore the artifact folder from a backup")
    if not (0 <= begin < MOST_PLACE and 0 <= size < MOST_PLACE):
        raise gone
    wanted = min(size, MOST_SOURCE_BYTES)
    try:
        descriptor = open_regular(folder / FUNCTIONS_NAME)
    except OSError as error:
        raise gone from error
    with FileIO(descriptor) as file:
        content = os.pread(file.fileno(), wanted, begin)
    if len(content) < wanted:
        raise gone
    # A long source is cut, perhaps within a character.
    return content.decode(errors="replace" if size == wanted else "ignore")
