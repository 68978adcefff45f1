"""Rows of a Parquet file, some hundred at a time, and fewer where they are wide."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainers.data.read.compressed import most_bytes, too_large
from trainers.data.read.raw_rows import RawRow, RawRows, unreadable

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"PAR1"
BATCH_ROWS = 256
# A value that is missing takes no byte in the file, and eight in memory.
BATCH_VALUES = 1 << 16


def parquet_rows(path: Path) -> RawRows:
    """Yield every row.

    Raises:
        DataError: The file is cut off or damaged, or it unpacks to far more than its size.
    """
    # The service reads other forms with this package, and has no pyarrow.
    import pyarrow as pa
    import pyarrow.parquet as pq

    number, read = 0, 0
    most = most_bytes(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise ValueError("two columns have one name")
            rows = max(1, min(BATCH_ROWS, BATCH_VALUES // max(1, len(names))))
            for batch in file.iter_batches(batch_size=rows):
                read += batch.nbytes
                if read > most:
                    raise too_large(path)
                for values in zip(*map(_values, batch.columns), strict=True):
                    number += 1
                    content = dict(zip(names, map(_plain, values), strict=True))
                    yield RawRow(number=number, place=f"row {number}", content=content)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _values(column: "pa.Array") -> list[object]:
    """Return a column's values; times that Python cannot hold, such as nanoseconds, as text."""
    import pyarrow as pa

    try:
        return cast(list[object], column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        return cast(list[object], column.cast(pa.string()).to_pylist())


def _plain(value: object) -> object:
    """Return a value as other forms have it: text written without its type, and whole numbers written as decimals."""
    if isinstance(value, bytes):
        # What is no UTF-8 becomes half surrogates, which the rows' check finds.
        return value.decode(errors="surrogateescape")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
