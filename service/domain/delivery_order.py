"""Which deliveries a webhook sender starts next: by standing, then each receiver in turn, within places that are kept.

Source:
    Nygard, Release It!, 2nd edition 2018, chapter 5: bulkheads.
    Nagle, On Packet Switches With Infinite Storage, RFC 970, 1985: fair queueing by source, here by destination.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


class Standing(IntEnum):
    """What is known of a webhook; lower ones go first."""

    PROVEN = 0  # its last delivery by this sender arrived
    NEW = 1  # it has not failed
    FAILING = 2  # its last try failed


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A delivery that is due or on its way.

    Args:
        origin: Host and port of the receiver, in lower case: webhooks that share one are one receiver.
    """

    delivery_id: str
    webhook_id: str
    origin: str
    standing: Standing


@dataclass(frozen=True, kw_only=True)
class Places:
    """How many deliveries may be on their way at the same time.

    Each needs a descriptor, of which a process often has 1,024.

    Args:
        total: All of them.
        unproven: Those of webhooks that are not proven: any number of them leaves the others some places.
        failing: Those of webhooks whose last try failed: any number of them leaves those that are new some places.
        per_origin: Those of unproven webhooks at one receiver.
    """

    total: int = 512
    unproven: int = 448
    failing: int = 256
    per_origin: int = 64

    def allowed(self, standing: Standing) -> int:
        """Return how many deliveries of this standing and worse ones may be on their way."""
        return (self.total, self.unproven, self.failing)[standing]


def choose(candidates: Sequence[Candidate], in_flight: Iterable[Candidate], *, places: Places, limit: int) -> list[str]:
    """Return the deliveries to start now, in order.

    Within a standing each receiver has its turn: the first delivery to each, then the second, and so on; what is on its
    way counts. However many webhooks share one receiver, the first delivery to another one waits for one of theirs.

    Args:
        candidates: What is due, oldest first within each standing.
        in_flight: What is on its way.
        places: How many may be on their way.
        limit: Deliveries at most.
    """
    held = _Held(in_flight)
    chosen: list[str] = []
    for candidate in _in_turn(candidates, held.by_origin):
        if len(chosen) == limit:
            break
        if held.has_room(candidate, places):
            held.add(candidate)
            chosen.append(candidate.delivery_id)
    return chosen


def origin_of(url: str) -> str:
    """Return host and port of a URL in lower case; a URL that has none is a receiver of its own."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or DEFAULT_PORTS[parts.scheme]}"
    except (KeyError, ValueError):
        return url


def _in_turn(candidates: Sequence[Candidate], busy: Counter[str]) -> list[Candidate]:
    turns = Counter(busy)
    keys: list[tuple[Standing, int]] = []
    for candidate in candidates:
        keys.append((candidate.standing, turns[candidate.origin]))
        turns[candidate.origin] += 1
    order = sorted(range(len(candidates)), key=keys.__getitem__)
    return [candidates[place] for place in order]


class _Held:
    """The places that are taken."""

    def __init__(self, in_flight: Iterable[Candidate]) -> None:
        self.by_standing: Counter[Standing] = Counter()
        self.by_origin: Counter[str] = Counter()
        for candidate in in_flight:
            self.add(candidate)

    def add(self, candidate: Candidate) -> None:
        self.by_standing[candidate.standing] += 1
        if candidate.standing is not Standing.PROVEN:
            self.by_origin[candidate.origin] += 1

    def has_room(self, candidate: Candidate, places: Places) -> bool:
        # A place that is kept from a worse standing is kept from none that is better.
        for bound in Standing:
            if bound <= candidate.standing:
                taken = sum(self.by_standing[other] for other in Standing if other >= bound)
                if taken >= places.allowed(bound):
                    return False
        return candidate.standing is Standing.PROVEN or self.by_origin[candidate.origin] < places.per_origin
