"""Rows of a Parquet file, some hundred at a time."""

from decimal import Decimal
from pathlib import Path

from trainers.data.read.compressed import most_bytes, too_large
from trainers.data.read.raw_rows import RawRow, RawRows, unreadable

MAGIC = b"PAR1"
BATCH_ROWS = 256


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
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise ValueError("two columns have one name")
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                read += batch.nbytes
                if read > most:
                    raise too_large(path)
                for content in batch.to_pylist():
                    number += 1
                    plain = {name: _plain(value) for name, value in content.items()}
                    yield RawRow(number=number, place=f"row {number}", content=plain)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _plain(value: object) -> object:
    """Return a value as other forms have it: text written without its type, and whole numbers written as decimals."""
    if isinstance(value, bytes):
        # What is no UTF-8 becomes half surrogates, which the rows' check finds.
        return value.decode(errors="surrogateescape")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
