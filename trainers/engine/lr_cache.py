"""The LR cache: what the range test found, remembered on disk under everything that changes its answer."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from trainers.artifacts import write_json
from trainers.engine.lr_finder import Suggestion

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LearningRateCache:
    """A folder with one JSON file per key."""

    folder: Path

    def _path(self, key: str) -> Path:
        return self.folder / f"{key.removeprefix('sha256:')}.json"

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
