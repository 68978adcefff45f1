"""Following the files that a trainer writes: whole lines of events, numbered chunks of output."""

import codecs
import json
from pathlib import Path
from typing import Any, NoReturn

from cellgate.contract.events import EventKind
from worker.text import storable

READ_BYTES = 1 << 20
CHUNK_CHARACTERS = 16_384
SHOWN_CHARACTERS = 200
# Of one attempt's output; a trainer that never stops printing must not fill the database.
MOST_CHARACTERS = 16 << 20
CUT = "\n… more than the database keeps; the whole output is in the attempt's output.log\n"


class EventTail:
    """The events that have been written since the last look.

    Args:
        path: `events.jsonl`; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._last = 0

    def read(self) -> list[dict[str, Any]]:
        """Return new whole lines, in order; a half-written last line waits for its end.

        One call returns a bounded part: after the trainer's end call it until it returns nothing. A line that is no
        event becomes a warning that shows it: one bad line must not cost a run.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(READ_BYTES)
                if len(content) == READ_BYTES and b"\n" not in content:
                    content += file.readline()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [self._event(line) for line in whole.split(b"\n")[:-1]]

    def _event(self, line: bytes) -> dict[str, Any]:
        try:
            event = json.loads(line, parse_constant=_refuse)
            kind, number = EventKind(event["kind"]), int(event["n"])
        except (ValueError, TypeError, KeyError) as error:
            self._last += 1
            return broken_event(self._last, line.decode(errors="replace"), error)
        self._last = number
        return {**storable(event), "kind": kind, "n": number}


def broken_event(number: int, shown: object, error: Exception) -> dict[str, Any]:
    """Return the warning that stands for an event that cannot be read."""
    message = f"found an event that breaks the contract ({error!r}): {str(shown)[:SHOWN_CHARACTERS]}"
    return storable(  # type: ignore[no-any-return]  # what comes out has the shape of what goes in
        {"n": number, "kind": EventKind.WARNING, "code": "broken_event", "message": message}
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


class OutputTail:
    """A process's output in numbered chunks.

    Args:
        path: The file that it goes into; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._number = 0
        self._room = MOST_CHARACTERS
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self) -> list[tuple[int, str]]:
        """Return new chunks as (number from 1, text); after the process's end call it until it returns nothing."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        self._offset += len(content)
        text = self._within_bounds(self._decoder.decode(content))
        chunks = []
        for first in range(0, len(text), CHUNK_CHARACTERS):
            self._number += 1
            chunks.append((self._number, text[first : first + CHUNK_CHARACTERS]))
        return chunks

    def _within_bounds(self, text: str) -> str:
        if self._room == 0:
            return ""
        kept = text[: self._room]
        self._room -= len(kept)
        return kept + CUT if self._room == 0 else kept
