"""Read the files that a trainer is writing: whole lines of events, numbered chunks of output."""

import codecs
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cellgate.contract.events import EventKind
from cellgate.contract.untrusted_files import open_regular, strict_json
from service.domain.trainer_events import MAX_STEP, broken_event, storable

READ_BYTES = 1 << 20
# A longer line is no event: one with a thousand problems of a data set has 400 KB.
MOST_LINE_BYTES = 8 << 20
SHOWN_BYTES = 1_000
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
        self._is_skipping = False

    def read(self) -> list[dict[str, Any]]:
        """Return the events of new whole lines, in order; a half-written last line is left for later.

        One call reads a bounded part: after the trainer's end, call it until it returns nothing. A line that is no
        event, or is longer than MOST_LINE_BYTES, becomes a warning that shows it: one bad line must not cost a run.
        What is no regular file holds no events.
        """
        try:
            with os.fdopen(open_regular(self._path), "rb") as file:
                file.seek(self._offset)
                return self._skipped(file) if self._is_skipping else self._lines(file)
        except OSError:
            return []

    def _lines(self, file: IO[bytes]) -> list[dict[str, Any]]:
        content = file.read(READ_BYTES)
        if len(content) == READ_BYTES and b"\n" not in content:
            content += file.readline(MOST_LINE_BYTES)
        if len(content) > MOST_LINE_BYTES and b"\n" not in content:
            self._offset += len(content)
            self._is_skipping = True
            self._last += 1
            error = ValueError(f"the line has more than {MOST_LINE_BYTES} bytes")
            return [broken_event(self._last, content[:SHOWN_BYTES].decode(errors="replace"), error)]
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [self._event(line) for line in whole.split(b"\n")[:-1]]

    def _skipped(self, file: IO[bytes]) -> list[dict[str, Any]]:
        """Leave out the rest of a line that is too long, then read on; what is read at once stays bounded."""
        while self._is_skipping and (rest := file.readline(READ_BYTES)):
            self._offset += len(rest)
            self._is_skipping = not rest.endswith(b"\n")
        return [] if self._is_skipping else self._lines(file)

    def _event(self, line: bytes) -> dict[str, Any]:
        try:
            event = strict_json(line)
            kind, number = EventKind(event["kind"]), _number(event["n"])
            body = {**storable(event), "kind": kind, "n": number}
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            self._last += 1
            return broken_event(self._last, line.decode(errors="replace"), error)
        self._last = number
        return body


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every whole event of a file whose writer has ended."""
    tail = EventTail(path)
    while events := tail.read():
        yield from events


def _number(value: Any) -> int:
    if not 0 <= int(value) <= MAX_STEP:
        raise ValueError(f"found {str(value)[:20]} as n, expected a count from 0 to {MAX_STEP}")
    return int(value)


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
            with os.fdopen(open_regular(self._path), "rb") as file:
                file.seek(self._offset)
                content = file.read(READ_BYTES)
        except OSError:
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
