"""How long something has stood still, by one observer's monotonic clock. Pure.

A lease may be taken over only by who has itself seen that nothing moved for its length. The wall clocks of the hosts do
not count, since they may jump. Time in which the observer itself saw nothing does not count either: after a freeze its
clock has run on.

Source:
    Gray and Cheriton, Leases: an efficient fault-tolerant mechanism for distributed file cache consistency, 1989,
    section 5: a lease needs clocks that run at about the same rate, not clocks that show the same time.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Stopwatch:
    """Adds up time between looks, each gap up to a limit.

    Args:
        longest_gap_s: What one gap counts at most.
    """

    def __init__(self, longest_gap_s: float) -> None:
        self._longest_gap_s = longest_gap_s
        self._looked_at: float | None = None

    def lap(self, now: float) -> float:
        """Return the seconds since the last look, at most `longest_gap_s`; 0 at the first.

        Args:
            now: By a monotonic clock.
        """
        gap = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        return min(max(0.0, gap), self._longest_gap_s)


@dataclass
class _Seen(Generic[V]):
    value: V
    for_s: float


class StillnessWatch(Generic[K, V]):
    """Remembers for how long the value of each key has been the same.

    Args:
        longest_gap_s: What the time between two looks counts at most.
    """

    def __init__(self, longest_gap_s: float) -> None:
        self._watch = Stopwatch(longest_gap_s)
        self._seen: dict[K, _Seen[V]] = {}

    def look(self, now: float, values: Mapping[K, V]) -> dict[K, float]:
        """Return for how many seconds each value has been seen unchanged; keys that are missing are forgotten.

        Args:
            now: By a monotonic clock.
            values: As they are now.
        """
        gap_s = self._watch.lap(now)
        seen = {}
        for key, value in values.items():
            before = self._seen.get(key)
            same = before is not None and before.value == value
            seen[key] = _Seen(value, before.for_s + gap_s if same and before is not None else 0.0)
        self._seen = seen
        return {key: one.for_s for key, one in seen.items()}
