import json
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.events import EventKind, EventWriter
from worker.tail import CHUNK_CHARACTERS, READ_BYTES, EventTail, OutputTail


def line(number: int, **fields: Any) -> bytes:
    return json.dumps({"n": number, "t": 1.0, "kind": "phase", "phase": "train", **fields}).encode() + b"\n"


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("tail", [EventTail, OutputTail])
def test_a_file_that_is_not_there_yet_says_nothing(path: Path, tail: type[EventTail | OutputTail]) -> None:
    assert tail(path).read() == []


def test_each_event_is_read_once_and_in_order(path: Path) -> None:
    tail = EventTail(path)
    with EventWriter(path) as events:
        events.write(EventKind.STARTED, cell="gnn")
        events.write(EventKind.PHASE, phase="load")
        first = tail.read()
        events.write(EventKind.PHASE, phase="train")

    assert [event["n"] for event in first] == [1, 2]
    assert [(event["n"], event["phase"]) for event in tail.read()] == [(3, "train")]
    assert tail.read() == []


def test_a_half_written_line_waits_for_its_end(path: Path) -> None:
    tail = EventTail(path)
    whole = line(2, phase="evaluate")
    append(path, line(1) + whole[:25])
    early = tail.read()
    between = tail.read()
    append(path, whole[25:])

    assert [event["n"] for event in early] == [1]
    assert between == []
    assert [(event["n"], event["phase"]) for event in tail.read()] == [(2, "evaluate")]


def test_an_event_cut_within_a_character_is_read_whole(path: Path) -> None:
    tail = EventTail(path)
    content = '{"n":1,"t":1.0,"kind":"phase","phase":"größe"}\n'.encode()
    middle = content.index("ö".encode()) + 1
    append(path, content[:middle])
    assert tail.read() == []
    append(path, content[middle:])

    assert tail.read()[0]["phase"] == "größe"


def test_an_event_longer_than_one_look_is_not_lost(path: Path) -> None:
    append(path, line(1, phase="x" * READ_BYTES) + line(2))
    tail = EventTail(path)
    found = []
    while new := tail.read():
        found += new

    assert [event["n"] for event in found] == [1, 2]


@pytest.mark.parametrize("broken", [b"not json\n", b"[1, 2]\n", b'{"kind": "unheard of", "n": 2}\n', b"\xff\n"])
def test_a_broken_line_becomes_a_warning_and_costs_no_other_line(path: Path, broken: bytes) -> None:
    append(path, line(1) + broken + line(3))

    first, warning, last = EventTail(path).read()

    assert (first["n"], last["n"]) == (1, 3)
    assert (warning["kind"], warning["n"]) == (EventKind.WARNING, 2)


def test_output_comes_in_chunks_numbered_from_one_over_all_looks(path: Path) -> None:
    tail = OutputTail(path)
    append(path, b"a" * CHUNK_CHARACTERS + b"b")
    first = tail.read()
    append(path, b"c")

    assert first == [(1, "a" * CHUNK_CHARACTERS), (2, "b")]
    assert tail.read() == [(3, "c")]
    assert tail.read() == []


def test_output_cut_within_a_character_is_put_together_again(path: Path) -> None:
    tail = OutputTail(path)
    smile = "😀".encode()
    append(path, b"ok " + smile[:2])
    first = tail.read()
    append(path, smile[2:] + b"!")

    assert "".join(text for _, text in [*first, *tail.read()]) == "ok 😀!"


def test_output_that_is_no_text_is_shown_as_far_as_it_can_be(path: Path) -> None:
    append(path, b"a\xffb")

    assert OutputTail(path).read() == [(1, "a\N{REPLACEMENT CHARACTER}b")]
