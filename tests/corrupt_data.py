"""Prepared data sets with something wrong inside that their own hashes vouch for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from cellgate.contract.artifacts import DATASET_MANIFEST_NAME, FUNCTIONS_NAME
from cellgate.contract.dataset import FILE_NAMES, dataset_id, file_entry, read_manifest
from cellgate.contract.files import write_json

Columns = dict[str, list[object]]


def corrupt(source: Path, target: Path, change: Callable[[Columns], None]) -> Path:
    """Copy a data set, change its functions' columns in place, and give it a manifest that fits."""
    shutil.copytree(source, target)
    # Not mapped: the file is written to below.
    table = pa.ipc.open_file(pa.BufferReader((target / FUNCTIONS_NAME).read_bytes())).read_all()
    columns = {name: table[name].to_pylist() for name in table.column_names}
    change(columns)
    changed = pa.table(
        [pa.array(columns[field.name], field.type) for field in table.schema], schema=table.schema
    ).combine_chunks()
    with pa.ipc.new_file(str(target / FUNCTIONS_NAME), changed.schema) as writer:
        writer.write_table(changed)
    manifest = read_manifest(target)
    files = {name: file_entry(target / name) for name in FILE_NAMES}
    fitting = manifest.model_copy(update={"files": files, "id": dataset_id(files, manifest.prepare)})
    write_json(target / DATASET_MANIFEST_NAME, fitting.model_dump(mode="json"))
    return target


def rows_of(columns: Columns, split: str) -> list[int]:
    """The rows of one split."""
    return [row for row, own in enumerate(columns["split"]) if own == split]
