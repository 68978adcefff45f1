"""Rows of a Parquet file, some hundred at a time."""

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
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                read += batch.nbytes
                if read > most:
                    raise too_large(path)
                for content in batch.to_pylist():
                    number += 1
                    yield RawRow(number=number, place=f"row {number}", content=content)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error
