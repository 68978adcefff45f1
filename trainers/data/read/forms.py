"""The form of a file, by its first bytes and, for tables alone, by its name; and the reader that it needs."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellgate.contract.errors import DataError, InputError
from trainers.data.read.code_trees import code_tree
from trainers.data.read.compressed import GZIP_MAGIC, ZSTD_MAGIC, open_source
from trainers.data.read.json_rows import json_rows
from trainers.data.read.parquet_rows import MAGIC as PARQUET_MAGIC
from trainers.data.read.parquet_rows import parquet_rows
from trainers.data.read.raw_rows import RawRows, unreadable
from trainers.data.read.tables import has_table, table_rows

# What people give in place of a file of functions, and what they should do.
_OTHER_FORMS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive (or an Excel file)", "unpack it, or save the table as CSV in UTF-8"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\xfd7zXZ\x00", "an xz archive", "unpack it"),
    (b"BZh", "a bzip2 archive", "unpack it"),
    (b"Rar!", "a rar archive", "unpack it"),
    (b"\x80", "a pickle, which could run code", 'write it with to_json(path, orient="records", lines=True)'),
    (b"\x89HDF", "an HDF5 file", "write its functions and labels as JSONL"),
    (b"SQLite format 3", "an SQLite database", "export the table of methods as CSV (sqlite3 -csv -header)"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"\xff\xff\xff\xff", "a stream of Arrow", "write it as Parquet"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"\x93NUMPY", "a NumPy file", "write its functions and labels as JSONL"),
    (b"\xd0\xcf\x11\xe0", "an Excel file", "save the table as CSV in UTF-8"),
    (b"{\\rtf", "an RTF document", "save the table as CSV in UTF-8"),
    (b"%PDF", "a PDF document", "write its functions and labels as JSONL"),
    (b"404: Not Found", "a server's message that there is no such file", "download the file itself"),
    (b"\0\0\0\0", "zeros, as of a file that was never written whole", "copy or download the file again"),
    (GZIP_MAGIC, "a file that is packed twice", "unpack it once"),
    (ZSTD_MAGIC, "a file that is packed twice", "unpack it once"),
    (b"\xff\xfe\0\0", "text in UTF-32", "convert the file to UTF-8"),
    (b"\xff\xfe", "text in UTF-16", "convert the file to UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "convert the file to UTF-8"),
    (b"version https://git-lfs", "a pointer to a file in Git LFS, not the file", "git lfs pull"),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"<?xml", "an XML document", "write its functions and labels as JSONL"),
)
PEEKED_BYTES = 512
# Where an archive of tar says that it is one.
TAR_MAGIC, TAR_AT = b"ustar", 257
# ASCII in UTF-16 without a mark at its beginning has a zero in every other byte.
_WIDE = re.compile(rb"(?:[^\0]\0){8}|(?:\0[^\0]){8}")


@contextmanager
def opened(path: Path) -> Iterator[tuple[str, RawRows]]:
    """Yield a file's form in words, and its rows.

    Raises:
        DataError: The file cannot be read, or has a form that is not; also while rows are taken.
    """
    if path.is_dir():
        yield code_tree(path)
        return
    try:
        packing = _packing(path)
        file = open_source(path)
    except OSError as error:
        raise unreadable(path, error) from error
    with file:
        form, rows = _rows_of(file, path, packing)
        yield f"{form}, {packing}" if packing else form, rows


def _rows_of(file: io.BufferedReader, path: Path, packing: str) -> tuple[str, RawRows]:
    try:
        begun = file.peek(PEEKED_BYTES)[:PEEKED_BYTES]
    except OSError as error:
        raise unreadable(path, error) from error
    _refuse_others(path, begun)
    if begun.startswith(PARQUET_MAGIC):
        if packing:
            raise _other_form(path, f"a Parquet file, packed ({packing})", "unpack it: Parquet is packed inside")
        return "Parquet", parquet_rows(path)
    return (_table_form(path), table_rows(file, path)) if has_table(begun, path.name) else json_rows(file, path)


def _packing(path: Path) -> str:
    with path.open("rb") as file:
        begun = file.read(len(ZSTD_MAGIC))
    return "gzip" if begun.startswith(GZIP_MAGIC) else "zstd" if begun == ZSTD_MAGIC else ""


def _table_form(path: Path) -> str:
    return "TSV" if ".tsv" in path.name.lower() else "CSV"


def _refuse_others(path: Path, begun: bytes) -> None:
    for magic, name, fix in _OTHER_FORMS:
        if begun.lstrip().lower().startswith(magic.lower()) if magic.startswith(b"<") else begun.startswith(magic):
            raise _other_form(path, name, fix)
    if begun[TAR_AT:].startswith(TAR_MAGIC):
        raise _other_form(path, "a tar archive", "unpack it")
    if _WIDE.match(begun):
        raise _other_form(path, "text in UTF-16", "convert the file to UTF-8")


def _other_form(path: Path, found: str, fix: str) -> DataError:
    expected = "JSONL, JSON, CSV, TSV or Parquet, also packed with gzip or zstd"
    return DataError(f"{path}: is {found}", [InputError(where=path.name, found=found, expected=expected, fix=fix)])
