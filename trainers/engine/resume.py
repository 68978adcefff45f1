"""Where a run's checkpoint lies, for whoever must know without torch."""

import json
from pathlib import Path

CURRENT_NAME = "current.json"
STATE_NAME = "state.json"


def current_checkpoint(folder: Path) -> Path | None:
    """Return the folder of the checkpoint that counts; null when none was finished.

    Args:
        folder: A run's `checkpoint` folder.
    """
    try:
        name = str(json.loads((folder / CURRENT_NAME).read_bytes())["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    path = folder / name
    return path if (path / STATE_NAME).is_file() else None


def last_event(folder: Path) -> int:
    """Return the number of the last event that was said before the checkpoint; 0 when none can be read."""
    path = current_checkpoint(folder)
    try:
        return 0 if path is None else int(json.loads((path / STATE_NAME).read_bytes())["last_event"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
