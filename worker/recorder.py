"""What a trainer says, into rows: one transaction per look, all of it or nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

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
from trainers.events import EventKind

# Said so often that only the newest, or the points of a curve, are kept.
UNLISTED = frozenset({EventKind.PROGRESS, EventKind.METRIC})
ENVELOPE = frozenset({"n", "t", "kind"})


class Recorder:
    """Writes one attempt's events and output.

    Args:
        claim: The attempt.
    """

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._run: dict[str, Any] = {"run_id": claim.run_id, "attempt": claim.attempt}
        self.failure: dict[str, Any] | None = None

    def record(self, session: Session, events: Sequence[Mapping[str, Any]], output: Sequence[tuple[int, str]]) -> bool:
        """Write what is new; False, having written nothing, when the attempt has lost its lease."""
        if holder(session, self._claim.run_id, self._claim.attempt) is None:
            return False
        self._record_events(session, events)
        for number, text in output:
            record_log(session, **self._run, number=number, text=text)
        return True

    def _record_events(self, session: Session, events: Sequence[Mapping[str, Any]]) -> None:
        points: list[Point] = []
        progress: dict[str, Any] = {}
        for event in events:
            kind = EventKind(event["kind"])
            body = {name: value for name, value in event.items() if name not in ENVELOPE}
            match kind:
                case EventKind.METRIC:
                    points += [(key, int(body["step"]), float(value)) for key, value in body["values"].items()]
                case EventKind.PROGRESS:
                    progress |= _progress(body)
                case EventKind.PHASE:
                    progress |= {"phase": body["phase"], "eta_s": None}
                case EventKind.CHECKPOINT:
                    path = f"{self._claim.path}/{body['path']}"
                    record_checkpoint(session, **self._run, path=path, step=int(body["step"]))
                case EventKind.FAILED:
                    self.failure = body
            if kind not in UNLISTED:
                record_event(session, **self._run, kind=kind, body=body)
        if points:
            record_metrics(session, **self._run, points=points)
        if progress:
            record_progress(session, **self._run, **progress)
        if events:
            record_position(session, **self._run, last_event=int(events[-1]["n"]))


def _progress(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "steps_done": body.get("done"),
        "steps_total": body.get("total"),
        "epoch": body.get("epoch"),
        "epochs": body.get("epochs"),
        "eta_s": body.get("eta_s"),
    }
