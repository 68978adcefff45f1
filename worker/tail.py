"""Following the files that a trainer writes: whole lines of events, numbered chunks of output."""

import codecs
import json
from pathlib import Path
from typing import Any

READ_BYTES = 1 << 20
CHUNK_CHARACTERS = 16_384


class EventTail:
    """The events that have been written since the last look.

    Args:
        path: `events.jsonl`; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """Return the new whole lines, in order; a half-written last line waits for its end.

        Raises:
            ValueError: A line is not a JSON object.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        events = []
        for line in whole.splitlines():
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError(f"{self._path}: found {line[:80]!r}, expected an event")
            events.append(event)
        self._offset += len(whole)
        return events


class OutputTail:
    """A process's output in numbered chunks.

    Args:
        path: The file that it goes into; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._number = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> list[tuple[int, str]]:
        """Return the new chunks as (number from 1, text)."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        self._offset += len(content)
        text = self._decoder.decode(content)
        chunks = []
        for first in range(0, len(text), CHUNK_CHARACTERS):
            self._number += 1
            chunks.append((self._number, text[first : first + CHUNK_CHARACTERS]))
        return chunks
