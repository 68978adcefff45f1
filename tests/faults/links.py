"""Links between processes that can be cut, in either direction or in both, without a word to either side."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

BLOCK_BYTES = 1 << 16
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
# Which way nothing passes any more: from the client to the server, back, or neither.
WAYS = ("up", "down", "both")


class Link:
    """A TCP port whose connections are passed on to a server, unless the link is cut.

    What is sent into a cut link is neither lost nor refused: it arrives when the link is whole again, as TCP does it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connect: Connect) -> None:
        self._loop = loop
        self._connect = connect
        self._server: asyncio.Server | None = None
        self._open = {"up": asyncio.Event(), "down": asyncio.Event()}
        for passes in self._open.values():
            passes.set()
        self.port = 0
        # How many blocks of bytes a cut has held back so far.
        self.held = 0

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    @contextmanager
    def cut(self, way: str) -> Iterator[None]:
        """Let nothing pass in this way until the end."""
        ways = list(self._open) if way == "both" else [way]
        for name in ways:
            self._loop.call_soon_threadsafe(self._open[name].clear)
        try:
            yield
        finally:
            for name in ways:
                self._loop.call_soon_threadsafe(self._open[name].set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            # The server is away: so is this connection, at once, as without a link between.
            writer.transport.abort()
            return
        await asyncio.gather(
            self._pass_on(reader, server_writer, self._open["up"]),
            self._pass_on(server_reader, writer, self._open["down"]),
        )

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event) -> None:
        try:
            while block := await reader.read(BLOCK_BYTES):
                if not passes.is_set():
                    self.held += 1
                    await passes.wait()
                writer.write(block)
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()


class Links:
    """Links on an event loop of their own thread; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._all: list[Link] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def to_port(self, port: int) -> Link:
        """Return a link to a server on a TCP port of this machine."""
        return self._link(lambda: asyncio.open_connection("127.0.0.1", port))

    def to_socket(self, path: str) -> Link:
        """Return a link to a server on a Unix socket."""
        return self._link(lambda: asyncio.open_unix_connection(path))

    async def _close(self) -> None:
        """Close every port and connection."""
        for link in self._all:
            link.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        # A closed transport gives its socket back one turn of the loop later.
        await asyncio.sleep(0)

    def _link(self, connect: Connect) -> Link:
        link = Link(self._loop, connect)
        self._all.append(link)
        asyncio.run_coroutine_threadsafe(link.start(), self._loop).result()
        return link
