"""`functions.sqlite`: what a page shows of each function of a data set, for readers without Arrow.

One row per function with all but the source, which stays in functions.arrow: the row says where there it begins. It
follows from the data set's content, and is no part of its id.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa

from cellgate.contract.artifacts import FUNCTION_INDEX_VERSION, FUNCTIONS_NAME
from trainers.data.dataset_report import Material
from trainers.data.encoding import quality_names
from trainers.data.read.row import Row

# Of names that were read from source; no compiler wants longer ones.
MOST_NAME = 200
TABLE = """
CREATE TABLE functions (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT, split TEXT NOT NULL, label INTEGER NOT NULL, cwe TEXT,
    project TEXT, lines INTEGER NOT NULL, tokens INTEGER NOT NULL, graph_quality TEXT NOT NULL,
    begin INTEGER NOT NULL, bytes INTEGER NOT NULL, words TEXT NOT NULL
)
"""
Values = tuple[int | str | None, ...]


def write_function_index(path: Path, material: Material) -> None:
    """Write the index of the functions.arrow that lies beside it; the same functions give the same bytes.

    Args:
        path: A new file.
        material: What the data set was made of.
    """
    values = (
        _values(number, row, *of_row)
        for number, (row, *of_row) in enumerate(
            zip(
                material.rows,
                (split.value for split in material.assignment.splits),
                quality_names(material.graphs),
                material.names_F,
                material.tokens_F.tolist(),
                _places(path.parent / FUNCTIONS_NAME),
                strict=True,
            )
        )
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # The folder takes its place as a whole, or not at all.
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA page_size = 4096")
        database.execute(f"PRAGMA user_version = {FUNCTION_INDEX_VERSION}")
        database.execute("BEGIN")
        database.execute(TABLE)
        database.executemany(f"INSERT INTO functions VALUES ({', '.join('?' * 13)})", values)
        database.execute("COMMIT")


def _values(
    number: int, row: Row, split: str, quality: str, name: str | None, tokens: int, place: tuple[int, int]
) -> Values:
    shown = None if name is None else name[:MOST_NAME]
    # What a search looks into, in one case.
    words = f"{shown or ''}\n{row.id}".casefold()
    lines = row.func.count("\n") + 1
    return (
        *(number, row.id, shown, split, int(row.label), row.cwe, row.project, lines, int(tokens), quality),
        *(*place, words),
    )


def _places(path: Path) -> Iterator[tuple[int, int]]:
    """Yield where in a file of functions the source of each begins, and how many bytes it has."""
    with pa.memory_map(str(path)) as mapped:
        whole = mapped.read_buffer()
        for chunk in pa.ipc.open_file(pa.BufferReader(whole)).read_all()["func"].chunks:
            _, offsets, text = chunk.buffers()
            ends = np.frombuffer(offsets, dtype=np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            base = text.address - whole.address
            yield from zip((ends[:-1] + base).tolist(), np.diff(ends).tolist(), strict=True)
