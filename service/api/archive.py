"""A folder as one tar stream; the same files always give the same bytes.

Source:
    POSIX.1-2001 (ustar).
"""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Files of a folder, to be streamed.

    Args:
        folder: Folder of the files.
        root: Name of the folder in the stream.
        names: Paths of the files, relative to the folder.
    """

    folder: Path
    root: str
    names: Sequence[str]

    @property
    def size_bytes(self) -> int:
        """Length of the whole stream."""
        return sum(len(header) + _padded(size) for header, size in self._heads()) + 2 * tarfile.BLOCKSIZE

    def stream(self) -> Iterator[bytes]:
        """Yield the stream in chunks."""
        for name, (header, size) in zip(self.names, self._heads(), strict=True):
            yield header
            with (self.folder / name).open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
            yield bytes(_padded(size) - size)
        yield bytes(2 * tarfile.BLOCKSIZE)

    def _heads(self) -> Iterator[tuple[bytes, int]]:
        for name in self.names:
            size = (self.folder / name).stat().st_size
            info = tarfile.TarInfo(f"{self.root}/{name}")
            info.size = size
            yield info.tobuf(tarfile.USTAR_FORMAT), size


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
