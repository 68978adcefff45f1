"""Read the files that a trainer is writing: whole lines of events, numbered chunks of output."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from cellgate.contract.events import EventKind
from service.domain.trainer_events import broken_event, storable

READ_BYTES = 1 << 20
CHUNK_CHARACTERS = 16_384
# Limit of one attempt's output: a trainer that never stops printing must not fill the database.
MOST_CHARACTERS = 16 << 20
CUT = "\n… more than the database keeps; the whole output is in the attempt's output.log\n"


class EventTail:
    """Reads the events that were written since the last call.

    Args:
        path: `events.jsonl`; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._last = 0

    def read(self) -> list[dict[str, Any]]:
        """Return the events of new whole lines, in order; a half-written last line is left for later.

        One call reads a bounded part: after the trainer's end, call it until it returns nothing. A line that is no
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


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every whole event of a file whose writer has ended."""
    tail = EventTail(path)
    while events := tail.read():
        yield from events


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


class OutputTail:
    """Reads a process's output in numbered chunks.

    Args:
        path: `output.log`; it may not exist yet.
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
