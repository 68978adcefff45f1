"""The LR cache: what the range test found, remembered on disk under everything that changes its answer."""

import fcntl
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainers.artifacts import write_json
from trainers.engine.lr_finder import Suggestion

SCHEMA_VERSION = 1
POLL_S = 0.1


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
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._path(key).with_suffix(".lock").open("wb") as file:
            while not _try_lock(file.fileno()):
                raise_if_stopped()
                time.sleep(POLL_S)
            yield

    def read(self, key: str) -> Suggestion | None:
        """Return what was found under a key; null when there is nothing, or nothing whole."""
        try:
            entry = json.loads(self._path(key).read_bytes())
            rate, reason = entry["learning_rate"], entry["reason"]
            whole = entry["schema_version"] == SCHEMA_VERSION and entry["key"] == key and isinstance(reason, str)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        is_rate = isinstance(rate, float) and math.isfinite(rate) and rate > 0
        return Suggestion(learning_rate=rate, reason=reason) if whole and is_rate else None

    def write(self, key: str, suggestion: Suggestion) -> bool:
        """Remember a suggestion; return whether it reads back equal."""
        entry = {
            "schema_version": SCHEMA_VERSION,
            "key": key,
            "learning_rate": suggestion.learning_rate,
            "reason": suggestion.reason,
        }
        write_json(self._path(key), entry)
        return self.read(key) == suggestion


def _try_lock(descriptor: int) -> bool:
    """Take the lock, or say that another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some network file systems have no locks: better two tests than none.
        return True
    return True
