"""Sort a trainer's events by where they are stored. Pure.

A trainer's lines are not trusted: an event that breaks the contract becomes a warning that shows it, and text that
PostgreSQL cannot store is replaced. One bad line must not cost a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cellgate.contract.events import EventKind

Point = tuple[str, int, float]  # key, step, value
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
SHOWN_CHARACTERS = 200
# Frequent kinds: of these only the newest, or the points of a curve, are stored.
UNLISTED = frozenset({EventKind.PROGRESS, EventKind.METRIC})
ENVELOPE = frozenset({"n", "t", "kind"})
# What the columns hold; PostgreSQL refuses more.
MAX_KEY = 80
MAX_PHASE = 40
MAX_STEP = 2**31 - 1


@dataclass(kw_only=True)
class EventBatch:
    """Events, sorted by where they are stored.

    Args:
        points: Points of curves.
        progress: Columns of the run to update.
        listed: Events that get a row of their own, as (kind, body).
        checkpoint: Path relative to the attempt's folder, and the optimizer steps in it.
        failure: Body of the newest `failed` event.
        last_event: Number of the last event of the batch; 0 if it is empty.
    """

    points: list[Point] = field(default_factory=list)
    progress: dict[str, Any] = field(default_factory=dict)
    listed: list[tuple[EventKind, dict[str, Any]]] = field(default_factory=list)
    checkpoint: tuple[str, int] | None = None
    failure: dict[str, Any] | None = None
    last_event: int = 0


def sort_events(events: Sequence[Mapping[str, Any]]) -> EventBatch:
    """Return the events as a batch; one that breaks the contract becomes a warning that shows it."""
    batch = EventBatch()
    for event in events:
        try:
            _add(batch, event)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            _add(batch, broken_event(event["n"], dict(event), error))
        batch.last_event = event["n"]
    return batch


def broken_event(number: int, shown: object, error: Exception) -> dict[str, Any]:
    """Return the warning that takes the place of an event that cannot be read.

    Args:
        number: Of the event, from 1.
        shown: The event or its line; the first `SHOWN_CHARACTERS` are quoted.
        error: Why it cannot be read.
    """
    message = f"found an event that breaks the contract ({error!r}): {str(shown)[:SHOWN_CHARACTERS]}"
    return storable(  # type: ignore[no-any-return]  # what comes out has the shape of what goes in
        {"n": number, "kind": EventKind.WARNING, "code": "broken_event", "message": message}
    )


def storable(value: Any) -> Any:
    """Return JSON values with every NUL and lone surrogate replaced: PostgreSQL cannot store them."""
    match value:
        case str():
            clean = value.replace("\x00", REPLACEMENT)
            return clean if clean.isascii() else clean.encode("utf-8", "replace").decode()
        case dict():
            return {storable(name): storable(inner) for name, inner in value.items()}
        case list():
            return [storable(inner) for inner in value]
        case _:
            return value


def _add(batch: EventBatch, event: Mapping[str, Any]) -> None:
    kind = EventKind(event["kind"])
    body = {name: value for name, value in event.items() if name not in ENVELOPE}
    match kind:
        case EventKind.METRIC:
            batch.points += [_point(key, body["step"], value) for key, value in body["values"].items()]
        case EventKind.PROGRESS:
            batch.progress |= _progress(body)
        case EventKind.PHASE:
            batch.progress |= {"phase": _short(body["phase"], MAX_PHASE), "eta_s": None}
        case EventKind.CHECKPOINT:
            batch.checkpoint = (str(body["path"]), _step(body["step"]))
        case EventKind.FAILED:
            batch.failure = body
    if kind not in UNLISTED:
        batch.listed.append((kind, body))


def _progress(body: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"steps_done": "done", "steps_total": "total", "epoch": "epoch", "epochs": "epochs"}
    found = {column: body.get(name) for column, name in fields.items()}
    eta_s = body.get("eta_s")
    return {
        **{column: None if value is None else _step(value) for column, value in found.items()},
        "eta_s": None if eta_s is None else float(eta_s),
    }


def _point(key: object, step: object, value: Any) -> Point:
    return _short(key, MAX_KEY), _step(step), float(value)


def _step(value: Any) -> int:
    if not 0 <= int(value) <= MAX_STEP:
        raise ValueError(f"found {value}, expected a count from 0 to {MAX_STEP}")
    return int(value)


def _short(text: object, most: int) -> str:
    if not isinstance(text, str) or len(text) > most:
        raise ValueError(f"found {text!r}, expected a text of at most {most} characters")
    return text
