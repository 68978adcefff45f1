"""Compressed files, unpacked as far as the packed size makes likely: a few kilobytes may hold gigabytes of zeros."""

import gzip
import io
import zlib
from pathlib import Path
from typing import cast

# Source code shrinks to a fifth; text that repeats itself to a hundredth; zeros to a thousandth.
MOST_RATIO = 200
# So much is read of any file.
ALWAYS_BYTES = 64 << 20
BUFFER_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def most_bytes(path: Path) -> int:
    """Return how many bytes a packed file may hold unpacked."""
    return max(ALWAYS_BYTES, MOST_RATIO * path.stat().st_size)


def too_large(path: Path) -> OSError:
    """Return the error for a packed file that holds more."""
    return OSError(f"it unpacks to more than {most_bytes(path)} bytes, {MOST_RATIO} times its size; send it unpacked")


class _Unpacked(io.RawIOBase):
    """A packed file that ends with an error where it is damaged or holds too much."""

    def __init__(self, path: Path, packed: io.RawIOBase) -> None:
        self._path = path
        self._file = packed
        self._most = most_bytes(path)
        self._read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]  # the buffer that BufferedReader gives
        """Read on.

        Raises:
            OSError: It is damaged, cut off or no packed file, or it holds too much.
        """
        try:
            count = self._file.readinto(buffer) or 0
        except EOFError as error:
            raise OSError(f"the file is cut off: {error}") from error
        except zlib.error as error:
            raise OSError(f"the file is damaged: {error}") from error
        self._read += count
        if self._read > self._most:
            raise too_large(self._path)
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def open_source(path: Path) -> io.BufferedReader:
    """Return a file's content, open for reading; a packed one is unpacked, whatever its name.

    Raises:
        OSError: The file cannot be read; later, while it is read: it is damaged, cut off, or holds too much.
    """
    with path.open("rb") as file:
        begun = file.read(len(ZSTD_MAGIC))
    packed: io.RawIOBase
    if begun.startswith(GZIP_MAGIC):
        packed = cast(io.RawIOBase, gzip.open(path, "rb"))  # noqa: SIM115 - closed with the reader
    elif begun == ZSTD_MAGIC:
        # Only these files need it, and the service, which looks at the others, has no pyarrow.
        import pyarrow as pa

        packed = cast(io.RawIOBase, pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    else:
        return path.open("rb")
    return io.BufferedReader(_Unpacked(path, packed), BUFFER_BYTES)
