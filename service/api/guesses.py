"""Wrong tokens by address: who keeps trying different ones has to wait."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from service.domain.errors import TooManyWrongTokens

# Different wrong tokens that one address may try in one window. The same one again is a forgotten client, no guess.
MOST_GUESSES = 10
WINDOW_S = 60.0
MOST_ADDRESSES = 10_000
PREFIX_BITS = 64


@dataclass(kw_only=True)
class _Window:
    ends_at: float
    tried: set[str] = field(default_factory=set)


class Guesses:
    """What was tried lately, by address; the addresses that were heard of first are forgotten first.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def check(self, address: str) -> None:
        """Return if this address may try a token that is not known.

        Raises:
            TooManyWrongTokens: It has to wait.
        """
        window = self._window(address)
        if window is not None and len(window.tried) >= MOST_GUESSES:
            wait_s = max(1, round(window.ends_at - self._clock()))
            raise TooManyWrongTokens(
                f"{MOST_GUESSES} different wrong tokens came from this address: try again in {wait_s} s",
                retry_after_s=wait_s,
            )

    def was_wrong(self, address: str, digest: str) -> bool:
        """Whether this address tried this token lately, and it was wrong."""
        window = self._window(address)
        return window is not None and digest in window.tried

    def add(self, address: str, digest: str) -> None:
        """Remember a wrong token."""
        window = self._window(address)
        if window is None:
            window = self._windows[network_of(address)] = _Window(ends_at=self._clock() + WINDOW_S)
            if len(self._windows) > MOST_ADDRESSES:
                self._windows.popitem(last=False)
        window.tried.add(digest)

    def __len__(self) -> int:
        return len(self._windows)

    def _window(self, address: str) -> _Window | None:
        network = network_of(address)
        window = self._windows.get(network)
        if window is not None and window.ends_at <= self._clock():
            del self._windows[network]
            return None
        return window


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 the first 64 bits, as one customer has all of the others."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, PREFIX_BITS), strict=False).network_address)
