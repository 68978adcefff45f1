"""The open connections of one API process: how many there are, whose, and which of them is given up for a new one."""

import time
from collections import Counter, defaultdict
from enum import Enum
from typing import Protocol

import structlog

from service.http.limits import RESERVE, HttpLimits

LOG_EVERY_S = 10.0
log = structlog.get_logger(__name__)


class Place(Enum):
    """What a new connection gets."""

    SERVED = "served"
    RESERVED = "health alone"
    NONE = "no place"


class Connection(Protocol):
    """An open connection."""

    def cut(self) -> None:
        """Close it at once."""
        ...


class ConnectionTable:
    """Counts connections, and keeps those that wait for more of a request in the order in which they may be cut.

    A connection whose request is complete is never cut for another one. One that waits is: the server is full of such
    only if somebody fills it, and whoever sends a request in one go is never the oldest of them.

    Args:
        limits: How many there may be.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._open: dict[Connection, str | None] = {}
        # Dictionaries keep their order: the first one has waited longest.
        self._waiting: dict[Connection, None] = {}
        self._waiting_at: dict[str, dict[Connection, None]] = defaultdict(dict)
        self._held: Counter[str] = Counter()
        self._turned_away = 0
        self._logged_at = -LOG_EVERY_S

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection, address: str | None) -> Place:
        """Count a new connection, and give up the one that has waited longest where there are too many.

        Args:
            address: Of the caller; None where it does not count, as a trusted proxy's.
        """
        place = self._place_for(address)
        self._open[connection] = address
        if address is not None:
            self._held[address] += 1
        if place is Place.SERVED or place is Place.RESERVED:
            self.waits(connection)
        if place is not Place.SERVED:
            self._note(address)
        return place

    def leave(self, connection: Connection) -> None:
        """Forget a connection; a second time does nothing."""
        if connection not in self._open:
            return
        self.works(connection)
        address = self._open.pop(connection)
        if address is not None:
            self.release(address)

    def waits(self, connection: Connection) -> None:
        """Let a connection be the last to be given up: it waits for more of a request since now."""
        if connection not in self._open:
            return
        self.works(connection)
        self._waiting[connection] = None
        address = self._open[connection]
        if address is not None:
            self._waiting_at[address][connection] = None

    def works(self, connection: Connection) -> None:
        """Never give up a connection: its request is complete."""
        if connection not in self._waiting:
            return
        del self._waiting[connection]
        address = self._open[connection]
        if address is not None:
            del self._waiting_at[address][connection]
            if not self._waiting_at[address]:
                del self._waiting_at[address]

    def hold(self, address: str) -> bool:
        """Count a request that a trusted proxy forwards for an address; return whether it may go on."""
        if self._held[address] >= self._limits.per_address:
            self._note(address)
            return False
        self._held[address] += 1
        return True

    def release(self, address: str) -> None:
        """Forget one connection, or one forwarded request, of an address."""
        self._held[address] -= 1
        if self._held[address] <= 0:
            del self._held[address]

    def _place_for(self, address: str | None) -> Place:
        if address is not None and self._held[address] >= self._limits.per_address:
            self._give_up(self._waiting_at.get(address, {}))
            if self._held[address] >= self._limits.per_address:
                return Place.NONE
        if len(self._open) >= self._limits.connections:
            self._give_up(self._waiting)
        if len(self._open) < self._limits.connections:
            return Place.SERVED
        return Place.RESERVED if len(self._open) < self._limits.connections + RESERVE else Place.NONE

    def _give_up(self, waiting: dict[Connection, None]) -> None:
        oldest = next(iter(waiting), None)
        if oldest is not None:
            self._note(self._open[oldest])
            self.leave(oldest)
            oldest.cut()

    def _note(self, address: str | None) -> None:
        """Log now and then that connections are turned away: a line for each would be an attack on the log."""
        self._turned_away += 1
        if time.monotonic() - self._logged_at < LOG_EVERY_S:
            return
        log.warning("connections_turned_away", count=self._turned_away, open=len(self._open), last_of=address)
        self._turned_away, self._logged_at = 0, time.monotonic()
