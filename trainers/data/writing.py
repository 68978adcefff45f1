"""Writes a prepared data set: into a folder beside its place, which then takes the place in one step."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from cellgate.contract.configs import Split
from cellgate.contract.files import replace_folder, sync_folder, write_json
from cellgate.contract.storage import is_disk_full
from trainers.data.graph_numbers import Encoded
from trainers.data.read.row import Row
from trainers.data.streamed_tensors import write_tensors

FUNCTION_SCHEMA = pa.schema(
    [
        ("id", pa.large_string()),
        ("func", pa.large_string()),
        ("label", pa.int8()),
        ("split", pa.string()),
        ("group", pa.string()),
        ("pair", pa.large_string()),
        ("project", pa.large_string()),
        ("commit", pa.large_string()),
        ("cwe", pa.large_string()),
        ("graph_quality", pa.string()),
    ]
)
# YYYY-MM-DD; a column of its own only where there are dates.
DATE_FIELD = pa.field("date", pa.string())


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}."
    for leftover in folder.parent.glob(f"{prefix}*.tmp"):
        shutil.rmtree(leftover)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=prefix, suffix=".tmp"))
    try:
        yield temporary
        temporary.chmod(0o755)
        for path in temporary.rglob("*"):
            _sync(path)
        sync_folder(temporary)
        replace_folder(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _sync(path: Path) -> None:
    if path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        path.chmod(0o644)


def write_functions(
    path: Path,
    rows: Sequence[Row],
    *,
    splits: Sequence[Split],
    groups: Sequence[str],
    qualities: Sequence[str],
) -> None:
    """Write functions.arrow: one row per function, readable without copying.

    Args:
        path: Replaced atomically.
        rows: The functions, in the data set's order.
        splits: By row.
        groups: By row; a group lies in one split.
        qualities: By row, how much of it the parser understood.
    """
    columns: dict[str, Sequence[object] | pa.Array] = {
        "id": [row.id for row in rows],
        "label": [row.label for row in rows],
        "split": [split.value for split in splits],
        "group": list(groups),
        "pair": [row.pair for row in rows],
        "project": [row.project for row in rows],
        "commit": [row.commit for row in rows],
        "cwe": [row.cwe for row in rows],
        "graph_quality": list(qualities),
    }
    schema = FUNCTION_SCHEMA
    # Most sets have no dates, and those of before this field keep their bytes and their id.
    if any(row.date is not None for row in rows):
        columns["date"] = [row.date for row in rows]
        schema = schema.append(DATE_FIELD)
    with _texts(rows, path.parent) as columns["func"]:
        table = pa.table(columns, schema=schema)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(table)


@contextmanager
def _texts(rows: Sequence[Row], folder: Path) -> Iterator[pa.Array]:
    """Yield the functions' texts as one column, as the format wants them, that lies on disk.

    Args:
        folder: Where it lies meanwhile.
    """
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        ends = [0]
        for row in rows:
            file.write(row.func.encode())
            ends.append(file.tell())
        file.flush()
        with pa.memory_map(file.name) as mapped:
            buffers = [None, pa.py_buffer(np.array(ends, dtype=np.int64)), mapped.read_buffer()]
            yield pa.Array.from_buffers(pa.large_string(), len(rows), buffers)


def write_graphs(path: Path, encoded: Encoded) -> None:
    """Write graphs.safetensors, a part at a time."""
    pointers = encoded.pointers()
    nodes, edges = (int(pointers[name][-1]) for name in ("node_ptr", "edge_ptr"))
    write_tensors(path, pointers, encoded.parts(), lambda name: nodes if name.startswith("node") else edges)


def write_document(path: Path, value: object) -> None:
    """Write a JSON file of the data set."""
    write_json(path, value)


@contextmanager
def cached_if_possible() -> Iterator[None]:
    """Write what is only kept for the next run: a folder that takes nothing costs that one time, and ends no run.

    Raises:
        OSError: The disk is full, which the run's own files will meet too.
    """
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise
