"""A keep-alive HTTP/1.1 client that costs little, so that the server is what is measured.

General clients take several times as long for a request as the fastest servers here do.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

HEAD_END = b"\r\n\r\n"
LINE_END = b"\r\n"
HAS_BODY = frozenset({"POST", "PUT", "PATCH"})
HAS_NO_REPLY_BODY = frozenset({204, 304})
FIRST_ERROR_STATUS = 400


class HttpError(Exception):
    """The server answered with an error status, or with another one than expected."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole reply; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """One connection, opened at the first request and again when the server has closed it.

    Args:
        host: Name or address.
        port: TCP port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._connection: _Connection | None = None

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request and return the reply, whatever its status.

        Raises:
            OSError: No connection, or it was lost in the middle of the reply.
        """
        data = self._encoded(method, path, body, headers or {})
        if self._connection is not None and not self._connection.closed:
            try:
                return await self._connection.exchange(data)
            except ConnectionError:
                # The server may close an idle connection just as a request is sent: once more, on a new one.
                if self._connection.reply_begun:
                    raise
        loop = asyncio.get_running_loop()
        _, self._connection = await loop.create_connection(_Connection, self._host, self._port)
        return await self._connection.exchange(data)

    async def get(self, path: str) -> Any:
        """Return the decoded JSON of a GET, None if the reply is empty.

        Raises:
            HttpError: The status is 400 or above.
            OSError: As `request`.
        """
        return _decoded(await self.send("GET", path))

    async def post(self, path: str, value: Any = None) -> Any:
        """Post a value as JSON, `{}` if it is None; return the decoded JSON of the reply.

        Raises:
            HttpError: The status is 400 or above.
            OSError: As `request`.
        """
        return _decoded(await self.send("POST", path, {} if value is None else value))

    async def send(self, method: str, path: str, value: Any = None) -> bytes:
        """Send a value as JSON, nothing if it is None; return the reply's body as it came.

        Raises:
            HttpError: The status is 400 or above.
            OSError: As `request`.
        """
        reply = await self.request(method, path, b"" if value is None else json.dumps(value).encode())
        if reply.status >= FIRST_ERROR_STATUS:
            raise HttpError(f"{method} {path} was answered with {reply.status}: {reply.body[:300]!r}")
        return reply.body

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._connection is not None:
            self._connection.close()

    def _encoded(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method in HAS_BODY:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


def _decoded(body: bytes) -> Any:
    return json.loads(body) if body else None


class _Head:
    """The first lines of a reply, and which of the three ways of ending a body it uses."""

    def __init__(self, text: str) -> None:
        first, *lines = text.split("\r\n")
        self.status = int(first.split(" ", 2)[1])
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self.length: int | None = None
        self.chunked = False
        if "content-length" in self.headers:
            self.length = int(self.headers["content-length"])
        elif "chunked" in self.headers.get("transfer-encoding", "").lower():
            self.chunked = True
        elif self.status in HAS_NO_REPLY_BODY:
            self.length = 0

    @property
    def last_on_connection(self) -> bool:
        """Whether the server closes the connection after this reply."""
        return self.headers.get("connection", "").lower() == "close"


class _Chunks:
    """Decoder of a chunked body.

    Source:
        RFC 9112, section 7.1.
    """

    def __init__(self) -> None:
        self._position = 0
        self._parts: list[bytes] = []

    def body(self, received: bytearray) -> bytes | None:
        """Return the whole body, or None while chunks are missing; `received` only grows between calls."""
        while (line_end := received.find(LINE_END, self._position)) >= 0:
            size = int(bytes(received[self._position : line_end]).split(b";")[0], 16)
            begin, end = line_end + 2, line_end + 2 + size
            if len(received) < end + 2:
                return None
            if size == 0:
                return b"".join(self._parts)
            self._parts.append(bytes(received[begin:end]))
            self._position = end + 2
        return None


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Reply] | None = None
        self._begin()

    def _begin(self) -> None:
        self._received = bytearray()
        self._head: _Head | None = None
        self._chunks = _Chunks()

    @property
    def reply_begun(self) -> bool:
        """Whether the head of a reply has come that is not complete."""
        return self._head is not None

    async def exchange(self, data: bytes) -> Reply:
        if self._transport is None:
            raise ConnectionResetError("the connection is not open")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._waiter

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._head is None and not self._read_head():
            return
        head = self._head
        if head is None:
            return
        if head.chunked:
            if (body := self._chunks.body(self._received)) is not None:
                self._finish(head, body)
        elif head.length is not None and len(self._received) >= head.length:
            self._finish(head, bytes(self._received[: head.length]))

    def _read_head(self) -> bool:
        end = self._received.find(HEAD_END)
        if end < 0:
            return False
        self._head = _Head(self._received[:end].decode("latin-1"))
        del self._received[: end + len(HEAD_END)]
        return True

    def _finish(self, head: _Head, body: bytes) -> None:
        waiter, self._waiter = self._waiter, None
        self._begin()
        if head.last_on_connection:
            self.close()
        if waiter is not None and not waiter.done():
            waiter.set_result(Reply(status=head.status, headers=head.headers, body=body))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._head is not None and self._head.length is None and not self._head.chunked:
            self._finish(self._head, bytes(self._received))
        else:
            waiter.set_exception(error or ConnectionResetError("the server closed the connection"))
