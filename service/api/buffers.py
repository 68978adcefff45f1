"""How many bytes of bodies the API keeps in memory at the same time, whoever sends them."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.api.connection_errors import ServerBusy


class BodyBuffers:
    """The bodies that are being read or worked on.

    Args:
        limit_bytes: Most bytes of all of them together.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    @contextmanager
    def of_request(self) -> Iterator["BodyBuffer"]:
        """Yield the buffer of one request; its bytes count until the block ends."""
        buffer = BodyBuffer(self)
        try:
            yield buffer
        finally:
            buffer.free()

    def hold(self, size: int) -> None:
        """Count so many bytes more.

        Raises:
            ServerBusy: There would be too many.
        """
        if self.held_bytes + size > self._limit_bytes:
            raise ServerBusy("the service reads as many bodies just now as it can hold; try again")
        self.held_bytes += size

    def release(self, size: int) -> None:
        """Count so many bytes less."""
        self.held_bytes -= size


class BodyBuffer:
    """The body of one request."""

    def __init__(self, buffers: BodyBuffers) -> None:
        self._buffers = buffers
        self.size = 0

    def add(self, size: int) -> None:
        """Count so many bytes more of the body.

        Raises:
            ServerBusy: All bodies together would have too many.
        """
        self._buffers.hold(size)
        self.size += size

    def free(self) -> None:
        """Give the room back, before the block ends."""
        self._buffers.release(self.size)
        self.size = 0
