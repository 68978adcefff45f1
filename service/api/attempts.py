"""Attempts to sign in: an address that tries wrong tokens has to wait."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from fastapi import Request

from service.domain.errors import TooManyAttempts
from service.http.addresses import counted_as, parsed

MOST_WRONG = 10
PERIOD_S = 300.0
# Of one process; the address that has tried first is forgotten first.
MOST_ADDRESSES = 10_000


@dataclass
class _Tried:
    begun: float
    wrong: int = 0


class Attempts:
    """Counts wrong tokens of each address in one process: `MOST_WRONG` in `PERIOD_S`.

    Args:
        clock: Returns seconds that never go back.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: OrderedDict[str, _Tried] = OrderedDict()

    def check(self, request: Request) -> None:
        """Return if the sender may try a token.

        Raises:
            TooManyAttempts: Its address has tried too many wrong ones.
        """
        tried = self._tried.get(_address(request))
        if tried is None or tried.wrong < MOST_WRONG:
            return
        left_s = ceil(tried.begun + PERIOD_S - self._clock())
        if left_s > 0:
            raise TooManyAttempts(
                f"{tried.wrong} wrong tokens came from this address: wait {left_s} s, then try again",
                extra={"retry_after_s": left_s},
            )

    def note_wrong(self, request: Request) -> None:
        """Count a wrong token."""
        address, now = _address(request), self._clock()
        tried = self._tried.get(address)
        if tried is None or now - tried.begun >= PERIOD_S:
            tried = self._tried[address] = _Tried(begun=now)
            self._tried.move_to_end(address)
        tried.wrong += 1
        if len(self._tried) > MOST_ADDRESSES:
            self._tried.popitem(last=False)


def _address(request: Request) -> str:
    host = "" if request.client is None else request.client.host
    # An IPv6 network of /64 is one caller.
    return counted_as(parsed(host)) or host
