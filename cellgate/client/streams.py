"""Server-sent events and downloads as they arrive, for both clients. Nothing here reads from a network."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import httpx

from cellgate.client.errors import Damaged


@dataclass(frozen=True, kw_only=True)
class ServerEvent:
    """One server-sent event."""

    id: str
    kind: str
    data: str


class EventParser:
    """Server-sent events from their bytes."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._rest = b""

    def feed_bytes(self, block: bytes) -> Iterator[ServerEvent]:
        """Take the next bytes; yield every event that they complete."""
        # Not str.splitlines(): output may hold U+2028 and others that it takes for ends of lines.
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            event = self.feed(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                yield event

    def feed(self, line: str) -> ServerEvent | None:
        """Take the next line, without its end; return the event that it completes."""
        name, _, value = line.partition(": ")
        if line:
            self._fields[name] = value
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        return ServerEvent(id=fields.get("id", ""), kind=fields["event"], data=fields["data"])


@dataclass(kw_only=True)
class Download:
    """A download that resumes at the byte where it was interrupted.

    Args:
        to: File that the content is written to.
    """

    to: IO[bytes]
    etag: str = ""
    size: int = -1
    done: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the next request: the rest of the file, unless it has changed meanwhile."""
        return {"Range": f"bytes={self.done}-", "If-Range": self.etag} if self.done else {}

    @property
    def complete(self) -> bool:
        """Whether the whole file has arrived."""
        return self.done == self.size

    def begin(self, answer: httpx.Response) -> None:
        """Start again where the answer holds the whole file; a partial answer continues it."""
        if answer.status_code != httpx.codes.OK:
            return
        self.to.seek(0)
        self.to.truncate()
        self.done, self.digest = 0, hashlib.sha256()
        self.etag, self.size = answer.headers["ETag"], int(answer.headers["Content-Length"])

    def write(self, block: bytes) -> None:
        """Write the next bytes."""
        self.to.write(block)
        self.digest.update(block)
        self.done += len(block)

    def check(self, path: str) -> None:
        """Return if the file's SHA-256 is the server's.

        Raises:
            Damaged: It is another.
        """
        found, expected = self.digest.hexdigest(), self.etag.strip('"')
        if found != expected:
            raise Damaged(f"{path} arrived with SHA-256 {found}, the server has {expected}: try again")
