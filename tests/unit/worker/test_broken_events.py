import json
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.events import EventKind
from service.domain.trainer_events import MAX_KEY, MAX_STEP, REPLACEMENT, sort_events, storable
from worker.tail import READ_BYTES, EventTail


def event(number: int, kind: EventKind, **fields: Any) -> dict[str, Any]:
    return {"n": number, "t": 1.0, "kind": kind, **fields}


def lines(path: Path, *content: bytes) -> list[dict[str, Any]]:
    path.write_bytes(b"\n".join(content) + b"\n")
    return EventTail(path).read()


@pytest.mark.parametrize(
    "broken",
    [
        b"not json",
        b"[1, 2]",
        b"null",
        b'"text"',
        b"",
        b'{"n": 2, "t": 1.0}',
        b'{"t": 1.0, "kind": "phase", "phase": "train"}',
        b'{"n": 2, "t": 1.0, "kind": "song"}',
        b'{"n": "two", "t": 1.0, "kind": "phase", "phase": "train"}',
        b'{"n": 2, "t": 1.0, "kind": "progress", "eta_s": NaN}',
        b"\xff\xfe",
        b'{"n": 2, "t": 1.0, "kind": ["phase"]}',
    ],
)
def test_a_line_that_is_no_event_becomes_a_warning_in_its_place(tmp_path: Path, broken: bytes) -> None:
    good = json.dumps(event(1, EventKind.PHASE, phase="load")).encode()
    next_one = json.dumps(event(3, EventKind.PHASE, phase="train")).encode()

    events = lines(tmp_path / "events.jsonl", good, broken, next_one)

    assert [(found["n"], found["kind"]) for found in events] == [
        (1, EventKind.PHASE),
        (2, EventKind.WARNING),
        (3, EventKind.PHASE),
    ]
    assert events[1]["code"] == "broken_event"


def test_a_line_longer_than_one_read_is_read_whole(tmp_path: Path) -> None:
    reported = json.dumps(event(1, EventKind.FAILED, message="x" * (2 * READ_BYTES))).encode()
    after = json.dumps(event(2, EventKind.PHASE, phase="train")).encode()
    path = tmp_path / "events.jsonl"
    path.write_bytes(reported + b"\n" + after + b"\n")
    tail = EventTail(path)

    first, second = tail.read(), tail.read()

    assert [found["n"] for found in first] == [1]
    assert len(first[0]["message"]) == 2 * READ_BYTES
    assert [found["n"] for found in second] == [2]


def test_text_that_postgresql_cannot_hold_is_replaced_where_it_stands(tmp_path: Path) -> None:
    reported = b'{"n":1,"t":1.0,"kind":"failed","message":"a\\u0000b","problems":[{"found":"c\\ud800d"}]}'

    (found,) = lines(tmp_path / "events.jsonl", reported)

    assert found["message"] == f"a{REPLACEMENT}b"
    assert found["problems"] == [{"found": "c?d"}]


def test_values_that_can_be_stored_stay_as_they_are() -> None:
    value = {"text": "naïve 漢 🙂", "list": [1, 2.5, None, True], "inner": {"a": "b"}}

    assert storable(value) == value


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (EventKind.METRIC, {"step": 1}),
        (EventKind.METRIC, {"step": 1, "values": [1.0]}),
        (EventKind.METRIC, {"step": 1, "values": {"train/loss": "low"}}),
        (EventKind.METRIC, {"step": 1, "values": {"k" * (MAX_KEY + 1): 1.0}}),
        (EventKind.METRIC, {"step": MAX_STEP + 1, "values": {"train/loss": 1.0}}),
        (EventKind.METRIC, {"step": -1, "values": {"train/loss": 1.0}}),
        (EventKind.PROGRESS, {"done": "some"}),
        (EventKind.PHASE, {}),
        (EventKind.PHASE, {"phase": "p" * 41}),
        (EventKind.CHECKPOINT, {"step": 3}),
    ],
)
def test_an_event_without_what_its_kind_needs_becomes_a_warning_and_the_rest_counts(
    kind: EventKind, fields: dict[str, Any]
) -> None:
    healthy = event(8, EventKind.METRIC, step=5, values={"train/loss": 0.5})

    recorded = sort_events([event(7, kind, **fields), healthy])

    assert [(found, body["code"]) for found, body in recorded.listed] == [(EventKind.WARNING, "broken_event")]
    assert recorded.points == [("train/loss", 5, 0.5)]
    assert recorded.last_event == 8


def test_only_the_newest_progress_and_checkpoint_of_a_look_count() -> None:
    recorded = sort_events(
        [
            event(1, EventKind.PROGRESS, done=1, total=9, epoch=1, epochs=3, eta_s=8.0),
            event(2, EventKind.CHECKPOINT, step=1, path="checkpoint"),
            event(3, EventKind.PROGRESS, done=2, total=9, epoch=1, epochs=3, eta_s=7.0),
            event(4, EventKind.CHECKPOINT, step=2, path="checkpoint"),
        ]
    )

    assert recorded.progress == {"steps_done": 2, "steps_total": 9, "epoch": 1, "epochs": 3, "eta_s": 7.0}
    assert recorded.checkpoint == ("checkpoint", 2)
