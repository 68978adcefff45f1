"""The file of a backup: a tar whose every byte of content is hashed, written and read as a stream.

| member, in this order | content |
|---|---|
| `backup.json` | form, release, schema, time, options |
| `rows/<table>/<number>.jsonl` | rows of one table, one JSON object a line |
| `blobs/<sha256>` | content of files, each once |
| `files/<number>.jsonl` | `[key, size, sha256]` of every file |
| `decisions.json` | what verifying each decision gave |
| `end.json` | number of members, and the hash over their names, sizes and hashes |
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

BLOCK_BYTES = 1 << 20
FORM = 1
HEADER = "backup.json"
ROWS = "rows/"
BLOBS = "blobs/"
FILES = "files/"
DECISIONS = "decisions.json"
END = "end.json"
# Members other than blobs are read whole.
LARGEST_BYTES = 64 << 20


class BackupDamaged(Exception):
    """The file is no backup, or not as it was written; the message says where."""


class FileChanged(Exception):
    """A file was changed while it was read."""


class BackupWriter:
    """Writes a backup.

    Args:
        out: Binary file; only written to, from its start to its end.
    """

    def __init__(self, out: IO[bytes]) -> None:
        # Closed by end(); what is not ended is no backup.
        self._tar = tarfile.open(  # noqa: SIM115
            fileobj=out, mode="w|", format=tarfile.PAX_FORMAT
        )
        self._digest = hashlib.sha256()
        self._members = 0

    def add(self, name: str, content: bytes) -> None:
        """Write a small member."""
        self._add(name, io.BytesIO(content), len(content))

    def add_json(self, name: str, value: object) -> None:
        """Write a member of JSON."""
        self.add(name, json.dumps(value, ensure_ascii=False).encode())

    def add_blob(self, sha256: str, content: IO[bytes], size_bytes: int) -> None:
        """Write the content of a file under its hash.

        Raises:
            FileChanged: It has another hash by now, or fewer bytes.
        """
        if self._add(f"{BLOBS}{sha256}", content, size_bytes) != sha256:
            raise FileChanged

    def end(self) -> None:
        """Write what shows that the backup is whole."""
        total = {"members": self._members, "sha256": self._digest.hexdigest()}
        self._add(END, *_as_file(total))
        self._tar.close()

    def _add(self, name: str, content: IO[bytes], size_bytes: int) -> str:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size_bytes, 0o600
        reader = HashingReader(content)
        try:
            self._tar.addfile(info, reader)
        except OSError as error:
            if reader.read_bytes < size_bytes:
                raise FileChanged from error
            raise
        _note(self._digest, name, size_bytes, reader.sha256)
        self._members += 1
        return reader.sha256


class HashingReader:
    """A file that hashes what is read of it.

    Args:
        content: The file.
    """

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self._digest = hashlib.sha256()
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        block = self._content.read(size)
        self._digest.update(block)
        self.read_bytes += len(block)
        return block

    @property
    def sha256(self) -> str:
        """Hash of what was read, in hexadecimal."""
        return self._digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of a backup; read it before the next one is asked for.

    Args:
        name: As in the table above.
        size_bytes: Of its content.
        content: The content.
    """

    name: str
    size_bytes: int
    content: HashingReader

    def lines(self) -> Iterator[Any]:
        """Yield the JSON values of a member that has one a line."""
        for line in self.whole().splitlines():
            yield json.loads(line)

    def whole(self) -> bytes:
        """Return the content of a small member.

        Raises:
            BackupDamaged: It is larger than any that is written.
        """
        if self.size_bytes > LARGEST_BYTES:
            raise BackupDamaged(f"{self.name} has {self.size_bytes} bytes, which no backup has there")
        return self.content.read()

    def json(self) -> Any:
        """Return the JSON value of a small member.

        Raises:
            BackupDamaged: It is no JSON.
        """
        try:
            return json.loads(self.whole())
        except ValueError as error:
            raise BackupDamaged(f"{self.name} cannot be read: {error}") from error


def read_members(file: IO[bytes]) -> Iterator[Member]:
    """Yield the members of a backup in order; ends without an error only if the file is whole and unchanged.

    Args:
        file: Read as a stream, from its start to its end.

    Raises:
        BackupDamaged: It is cut, changed, or no backup.
    """
    digest, count, expected = hashlib.sha256(), 0, None
    try:
        with tarfile.open(fileobj=file, mode="r|") as tar:
            for info in tar:
                if expected is not None:
                    raise BackupDamaged(f"{info.name} comes after the end")
                member = _member(tar, info)
                if info.name == END:
                    expected = member.json()
                    continue
                yield member
                while member.content.read(BLOCK_BYTES):
                    pass
                _check_hash(info, member.content.sha256)
                _note(digest, info.name, info.size, member.content.sha256)
                count += 1
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BackupDamaged(f"after {count} members: {error}") from error
    if expected is None:
        raise BackupDamaged(f"it ends after {count} members, without the last one: it was cut, or never finished")
    if expected != {"members": count, "sha256": digest.hexdigest()}:
        raise BackupDamaged(f"its {count} members are not those that were written: a name, a size or a content differs")


def check_header(header: Mapping[str, Any]) -> None:
    """Return where this release can read a backup.

    Raises:
        BackupDamaged: It has another form.
    """
    if header.get("form") != FORM:
        raise BackupDamaged(f"it has the form {header.get('form')!r}, expected {FORM}: restore it with its own release")


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    content = tar.extractfile(info) if info.isreg() else None
    if content is None:
        raise BackupDamaged(f"{info.name} is no file")
    return Member(name=info.name, size_bytes=info.size, content=HashingReader(content))


def _check_hash(info: tarfile.TarInfo, sha256: str) -> None:
    if info.name.startswith(BLOBS) and info.name != f"{BLOBS}{sha256}":
        raise BackupDamaged(f"the content of {info.name} has the hash {sha256}: it was changed")


def _note(digest: "hashlib._Hash", name: str, size_bytes: int, sha256: str) -> None:
    digest.update(f"{name}\0{size_bytes}\0{sha256}\n".encode())


def _as_file(value: object) -> tuple[IO[bytes], int]:
    content = json.dumps(value).encode()
    return io.BytesIO(content), len(content)
