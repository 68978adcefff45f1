"""uvicorn's HTTP/1.1 connection with limits on what it reads, how long it waits, and what it keeps in memory.

uvicorn keeps a request line, headers and trailers of any length, waits for their end for ever, and lets a caller who
sends and reads nothing stay. This subclass counts the bytes that are no body's, arms a timer for whatever the caller is
expected to do next, and gives every connection its place in a table. It overrides the methods that uvicorn's parser
calls; `tests/integration/servers/test_http_limits.py` fails where uvicorn no longer calls them.

Source:
    RFC 9110, sections 15.5.9 (408) and 15.6.4 (503); RFC 6585, section 5 (431).
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.api.connection_errors import HeadersTooLarge, MalformedRequest, RequestTimeout, TooManyConnections
from service.domain.addresses import counted_as, forwarded_for, is_in, parsed
from service.domain.errors import ServiceError
from service.http.connections import ConnectionTable, Place
from service.http.limits import HttpLimits
from service.http.refusals import RefusingApp, refusal_bytes

# How long a caller may read the answer after which the connection ends; what it still sends stays in the kernel.
LINGER_S = 1.0
# How long the rest of a body is read and thrown away that was answered before its end.
DRAIN_S = 30.0
# A connection beyond the limit gets an answer, but has to ask at once.
RESERVED_TIMEOUT_S = 2.0
MOST_PIPELINED = 32
# struct linger: on, for no time.
RESET = struct.pack("ii", 1, 0)
HEALTH = frozenset({b"/livez", b"/readyz"})
WITHOUT_BODY = frozenset({"GET", "HEAD"})
TOO_MANY = TooManyConnections("the service has as many open connections as it can hold; try again")
TOO_MANY_OF_YOURS = TooManyConnections(
    "your address has as many open connections as one may have; close some, or try again"
)


def limited(limits: HttpLimits) -> type["LimitedProtocol"]:
    """Return the class of an API's connections.

    Args:
        limits: Of all of them together, and of each.
    """
    members: dict[str, Any] = {"limits": limits, "table": ConnectionTable(limits)}
    return cast(type[LimitedProtocol], type("LimitedConnection", (LimitedProtocol,), members))


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    limits: ClassVar[HttpLimits]
    table: ClassVar[ConnectionTable]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._app = self.app
        self._place = Place.SERVED
        self._ended = False
        # Bytes since the last one of a body, or since the request's start: headers, trailers, chunk sizes.
        self._unseen = 0
        self._moved = False
        self._in_body = False
        self._body_bytes = 0
        self._forwarded: deque[str | None] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection's place in the table, or refuse it."""
        super().connection_made(transport)
        address = parsed(self.client[0]) if self.client else None
        self._is_proxy = is_in(address, self.limits.trusted_proxies)
        counted = None if self._is_proxy else counted_as(address)
        self._place = self.table.enter(self, counted)
        if self._place is Place.NONE:
            self._refuse(TOO_MANY)
        else:
            self._arm(self._header_timeout_s, self._headers_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, in pieces that end where the limit on headers does."""
        at, most = 0, self.limits.header_bytes
        while at < len(data) and not self._ended and not self.transport.is_closing():
            if self._unseen >= most:
                self._refuse(HeadersTooLarge(f"the headers have more than {most} bytes; send less of them"))
                break
            piece = data[at : at + most - self._unseen]
            at += len(piece)
            self._moved = False
            super().data_received(piece)
            self._unseen += 0 if self._moved else len(piece)
        if not self._ended:
            self._expect_more()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is none, and no route reads one."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the app answer, unless the connection or the address that a proxy names has no place for a request."""
        self._move()
        self._in_body, self._body_bytes = True, 0
        self._disarm()
        self.app = self._app_for_request()
        super().on_headers_complete()
        if len(self.pipeline) > MOST_PIPELINED:
            self.cut()

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, where the request is one that has a body."""
        self._move()
        self._body_bytes += len(body)
        if self.scope["method"] not in WITHOUT_BODY:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no longer for the request: it is whole."""
        self._move()
        self._in_body = False
        self._disarm()
        super().on_message_complete()
        if self._busy:
            self.table.works(self)
        else:
            # It was answered before its end, and uvicorn has stopped its own timer.
            self._arm(self._header_timeout_s, self._headers_late)

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a body that was answered before its end."""
        if self._ended:
            return
        self._release(self._forwarded.popleft())
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            # Also a connection that is being closed stays open until the caller has taken everything.
            self._watch_writing()
        if self._in_body:
            self._arm(DRAIN_S, self.cut)
        elif not self.pipeline:
            self.table.waits(self)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request."""
        self._refuse(MalformedRequest(f"{msg.rstrip('.')}: send HTTP/1.1"))

    def pause_writing(self) -> None:
        """Give the caller some time to take what it was sent."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """The caller has taken enough."""
        super().resume_writing()
        self._stop_watching()

    def cut(self) -> None:
        """Close the connection at once."""
        self._end()
        self.transport.abort()

    @property
    def _header_timeout_s(self) -> float:
        limit_s = self.limits.header_timeout_s
        return limit_s if self._place is Place.SERVED else min(limit_s, RESERVED_TIMEOUT_S)

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _app_for_request(self) -> Any:
        self._forwarded.append(None)
        if self._place is Place.RESERVED and self.url.partition(b"?")[0] not in HEALTH:
            return RefusingApp(TOO_MANY)
        if not self._is_proxy:
            return self._app
        address = counted_as(forwarded_for(self.headers, self.limits.trusted_proxies))
        if address is None:
            return self._app
        if not self.table.hold(address):
            return RefusingApp(TOO_MANY_OF_YOURS)
        self._forwarded[-1] = address
        return self._app

    def _move(self) -> None:
        self._moved, self._unseen = True, 0

    def _expect_more(self) -> None:
        """Arm the timer for what the caller has begun."""
        if self._in_body:
            self.table.waits(self)
            if self._timer is None:
                self._arm(self.limits.body_timeout_s, self._check_body, self._body_bytes)
        elif self._unseen and self._timer is None:
            self._arm(self._header_timeout_s, self._headers_late)

    def _headers_late(self) -> None:
        if self._busy:
            # The next request's first bytes came before this one's answer: its time begins after that.
            self._arm(self._header_timeout_s, self._headers_late)
        elif self._unseen:
            self._refuse(
                RequestTimeout(f"the headers did not end within {self._header_timeout_s:g} s; send them at once")
            )
        else:
            self.cut()

    def _check_body(self, before: int) -> None:
        """Refuse a body that is too slow; while the app reads nothing, that is not the caller's fault."""
        came, least = self._body_bytes - before, self.limits.body_bytes_per_s * self.limits.body_timeout_s
        if came >= least or self.flow.read_paused:
            self._arm(self.limits.body_timeout_s, self._check_body, self._body_bytes)
            return
        self._refuse(
            RequestTimeout(
                f"{came} bytes of the body came within {self.limits.body_timeout_s:g} s, expected at least {least:g}; "
                "send it again over a faster connection"
            )
        )

    def _refuse(self, error: ServiceError) -> None:
        """Answer in place of the app, and end the connection once the caller could read it."""
        if self._ended:
            return
        answering = self._busy and (bool(self.pipeline) or self.cycle.response_started or not self._in_body)
        if answering or self.transport.is_closing():
            self.cut()
            return
        self._ended = True
        self._disarm()
        self.flow.pause_reading()
        self.transport.write(refusal_bytes(error))
        if self._busy:
            # The app waits for the rest of the body.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self._place is Place.NONE:
            self.transport.close()
        else:
            self._arm(LINGER_S, self.cut)

    def _watch_writing(self) -> None:
        self._stop_watching()
        size = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self.limits.write_timeout_s, self._check_writing, size)

    def _check_writing(self, before: int) -> None:
        size = self.transport.get_write_buffer_size()
        if 0 < size < before:
            self._watch_writing()
        elif size:
            # Without a reset the kernel would keep what was sent, for minutes.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.cut()

    def _stop_watching(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _arm(self, after_s: float, call: Callable[..., None], *arguments: Any) -> None:
        self._disarm()
        self._timer = self.loop.call_later(after_s, call, *arguments)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._ended = True
        self._disarm()
        self._stop_watching()
        while self._forwarded:
            self._release(self._forwarded.popleft())
        self.table.leave(self)

    def _release(self, address: str | None) -> None:
        if address is not None:
            self.table.release(address)
