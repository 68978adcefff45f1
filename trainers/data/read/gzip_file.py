"""Compressed files, unpacked as far as the packed size makes likely: a few kilobytes may hold gigabytes of zeros."""

import gzip
import io
from pathlib import Path
from typing import IO, cast

# Source code shrinks to a fifth; text that repeats itself to a hundredth; zeros to a thousandth.
MOST_RATIO = 200
# So much is read of any file.
ALWAYS_BYTES = 64 << 20


class _Unpacked(io.RawIOBase):
    """A gzip file that ends with an error where it holds more than MOST_RATIO times its size."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path, "rb")  # noqa: SIM115 - closed with this one
        self._most = max(ALWAYS_BYTES, MOST_RATIO * path.stat().st_size)
        self._read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]  # the buffer that BufferedReader gives
        """Read on.

        Raises:
            OSError: It is no gzip file, or holds too much.
            EOFError: It ends too early.
            zlib.error: It is damaged.
        """
        count = self._file.readinto(buffer)
        self._read += count
        if self._read > self._most:
            raise OSError(f"it unpacks to more than {self._most} bytes, {MOST_RATIO} times its size; send it unpacked")
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def unpacked(path: Path) -> IO[bytes]:
    """Return what a gzip file holds, open for reading.

    Raises:
        OSError: It cannot be read.
    """
    return cast(IO[bytes], io.BufferedReader(_Unpacked(path), 1 << 20))
