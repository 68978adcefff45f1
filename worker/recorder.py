"""What a trainer says, into rows: one transaction per look, all of it or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.events import EventKind
from service.store.claims import Claim
from service.store.recording import (
    Point,
    holder,
    record_checkpoint,
    record_event,
    record_log,
    record_metrics,
    record_position,
    record_progress,
)
from service.store.tables import AttemptRow
from worker.tail import broken_event

# Said so often that only the newest, or the points of a curve, are kept.
UNLISTED = frozenset({EventKind.PROGRESS, EventKind.METRIC})
ENVELOPE = frozenset({"n", "t", "kind"})
# What the columns hold; PostgreSQL refuses more.
MAX_KEY = 80
MAX_PHASE = 40
MAX_STEP = 2**31 - 1


@dataclass(kw_only=True)
class EventBatch:
    """Events, sorted by where they go."""

    points: list[Point] = field(default_factory=list)
    progress: dict[str, Any] = field(default_factory=dict)
    listed: list[tuple[EventKind, dict[str, Any]]] = field(default_factory=list)
    checkpoint: tuple[str, int] | None = None
    failure: dict[str, Any] | None = None
    last_event: int = 0


class Recorder:
    """Writes one attempt's events and output.

    Args:
        claim: The attempt.
    """

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._run: dict[str, Any] = {"run_id": claim.run_id, "attempt": claim.attempt}
        self.failure: dict[str, Any] | None = None

    def record(
        self,
        session: Session,
        events: Sequence[Mapping[str, Any]],
        output: Sequence[tuple[int, str]],
        *,
        again: bool = False,
    ) -> bool:
        """Write what is new; False, having written nothing, when the attempt has lost its lease.

        Args:
            events: In order.
            output: Chunks as (number, text).
            again: The last try ended in an error: its commit may have arrived all the same.
        """
        if holder(session, self._claim.run_id, self._claim.attempt) is None:
            return False
        written = self._position(session) if again else 0
        batch = sort_events([event for event in events if event["n"] > written])
        self.failure = batch.failure or self.failure
        write_batch(session, self._claim, batch)
        if batch.last_event:
            record_position(session, **self._run, last_event=batch.last_event)
        for number, text in output:
            record_log(session, **self._run, number=number, text=text)
        return True

    def _position(self, session: Session) -> int:
        chosen = select(AttemptRow.last_event).where(
            AttemptRow.run_id == self._claim.run_id, AttemptRow.attempt == self._claim.attempt
        )
        return session.scalars(chosen).one()


def write_batch(session: Session, claim: Claim, batch: EventBatch) -> None:
    """Write sorted events as said by this attempt."""
    run: dict[str, Any] = {"run_id": claim.run_id, "attempt": claim.attempt}
    for kind, body in batch.listed:
        record_event(session, **run, kind=kind, body=body)
    if batch.checkpoint is not None:
        path, step = batch.checkpoint
        record_checkpoint(session, **run, path=f"{claim.path}/{path}", step=step)
    if batch.points:
        record_metrics(session, **run, points=batch.points)
    if batch.progress:
        record_progress(session, **run, **batch.progress)


def sort_events(events: Sequence[Mapping[str, Any]]) -> EventBatch:
    """Return where each event goes; one that breaks the contract becomes a warning that shows it."""
    batch = EventBatch()
    for event in events:
        try:
            _sort(batch, event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            _sort(batch, broken_event(event["n"], dict(event), error))
        batch.last_event = event["n"]
    return batch


def _sort(batch: EventBatch, event: Mapping[str, Any]) -> None:
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
    counts = {"steps_done": "done", "steps_total": "total", "epoch": "epoch", "epochs": "epochs"}
    found = {name: body.get(batch) for name, batch in counts.items()}
    eta_s = body.get("eta_s")
    return {
        **{name: None if value is None else _step(value) for name, value in found.items()},
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
