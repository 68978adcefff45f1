"""The LR cache: results of the range test on disk, by a key of everything that changes the result."""

import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

from cellgate.contract.files import write_json
from cellgate.contract.range_test import RangeTestCurve, curve_in

SCHEMA_VERSION = 2
POLL_S = 0.1


class DamagedEntryError(Exception):
    """There is an entry, but it cannot be used; the message gives the reason."""


Source = Literal["finder", "fallback"]
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True, kw_only=True)
class CachedRate:
    """A rate that the range test found, or the default that was taken because it found none.

    Args:
        learning_rate: Finite, above 0.
        source: Which of the two.
        reason: In plain words.
        curve: Of the test, for those who look at it; null where there was none.
    """

    learning_rate: float
    source: Source
    reason: str
    curve: RangeTestCurve | None = None


@dataclass(frozen=True, kw_only=True)
class LearningRateCache:
    """A folder with one JSON file per key."""

    folder: Path

    def _path(self, key: str) -> Path:
        return self.folder / f"{key.removeprefix('sha256:')}.json"

    @contextmanager
    def lock(self, key: str, raise_if_stopped: Callable[[], None]) -> Iterator[None]:
        """Hold a key, so that of several seeds one runs the test and the others wait for its answer.

        The system lets go of it when the process ends, however it ends. Where it cannot lock, nobody waits.

        Args:
            raise_if_stopped: Called while waiting.
        """
        file = self._open_lock(key)
        try:
            while file is not None and not _try_lock(file.fileno()):
                raise_if_stopped()
                time.sleep(POLL_S)
            yield
        finally:
            if file is not None:
                file.close()

    def _open_lock(self, key: str) -> IO[bytes] | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return self._path(key).with_suffix(".lock").open("wb")
        except OSError:
            # Nobody can write here, so there will be no answer to wait for.
            return None

    def read(self, key: str) -> CachedRate | None:
        """Return the entry of a key; None without one.

        Raises:
            DamagedEntryError: There is one, but it cannot be read, or is not whole.
        """
        path = self._path(key)
        try:
            entry = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise DamagedEntryError(f"{path}: {type(error).__name__}: {error}") from error
        if not isinstance(entry, dict) or entry.get("schema_version") != SCHEMA_VERSION or entry.get("key") != key:
            raise DamagedEntryError(f"{path}: not an entry of version {SCHEMA_VERSION} for its own key")
        rate, reason = entry.get("learning_rate"), entry.get("reason")
        source: Any = entry.get("source")
        if not isinstance(rate, float) or not math.isfinite(rate) or rate <= 0 or not isinstance(reason, str):
            raise DamagedEntryError(f"{path}: learning rate {rate!r}, reason {reason!r}: not a number and a text")
        known = next((one for one in SOURCES if one == source), None)
        if known is None:
            raise DamagedEntryError(f"{path}: source {source!r}: expected {' or '.join(SOURCES)}")
        # Its time of modification is that of its last use, by which the service lets entries go.
        with suppress(OSError):
            os.utime(path)
        return CachedRate(learning_rate=rate, source=known, reason=reason, curve=curve_in(entry.get("curve")))

    def write(self, key: str, rate: CachedRate) -> bool:
        """Remember a rate; return whether it reads back equal.

        Raises:
            OSError: It cannot be written.
        """
        entry = {
            "schema_version": SCHEMA_VERSION,
            "key": key,
            "learning_rate": rate.learning_rate,
            "source": rate.source,
            "reason": rate.reason,
            "curve": rate.curve and rate.curve.model_dump(),
        }
        write_json(self._path(key), entry)
        try:
            return self.read(key) == rate
        except DamagedEntryError:
            return False


def _try_lock(descriptor: int) -> bool:
    """Take the lock; return False if another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some network file systems have no locks: better two tests than none.
        return True
    return True
