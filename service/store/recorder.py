"""Store what a running attempt reports: progress, metrics, events, checkpoints, output.

Every write is fenced by the attempt's number. Each function returns False, having written nothing, when the attempt
no longer holds the run's lease.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cellgate.contract.events import EventKind
from service.domain.trainer_events import EventBatch, Point, sort_events, storable
from service.store.claims import Claim
from service.store.database import now_s
from service.store.tables import AttemptRow, LogRow, MetricRow, RunRow
from service.store.transitions import add_event, bump_versions, has_lease, lock_run

Event = Mapping[str, Any]


class Recorder:
    """Stores one attempt's events and output.

    Args:
        claim: The attempt.
    """

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._run: dict[str, Any] = {"run_id": claim.run_id, "attempt": claim.attempt}
        self.failure: dict[str, Any] | None = None

    def record(
        self, session: Session, events: Sequence[Event], output: Sequence[tuple[int, str]], *, again: bool = False
    ) -> bool:
        """Store new events and output; return False, having written nothing, when the lease is lost.

        Args:
            session: One transaction for all of it.
            events: In order, each with its number `n`.
            output: Chunks as (number, text).
            again: Whether the last call ended in an error: its commit may have arrived all the same.
        """
        if _held_run(session, self._claim.run_id, self._claim.attempt) is None:
            return False
        stored = self._last_event(session) if again else 0
        batch = sort_events([event for event in events if event["n"] > stored])
        self.failure = batch.failure or self.failure
        _write_batch(session, self._claim, batch)
        if batch.last_event:
            record_position(session, **self._run, last_event=batch.last_event)
        for number, text in output:
            record_log(session, **self._run, number=number, text=text)
        return True

    def _last_event(self, session: Session) -> int:
        chosen = select(AttemptRow.last_event).where(
            AttemptRow.run_id == self._claim.run_id, AttemptRow.attempt == self._claim.attempt
        )
        return session.scalars(chosen).one()


def import_missing_events(
    session: Session, claim: Claim, *, until: int, read_events: Callable[[str], Iterable[Event]]
) -> None:
    """Import events that an earlier attempt wrote before its checkpoint but that were never stored.

    The trainer goes on from that checkpoint and does not write them again: without them the curves would have a gap.
    The earlier attempt may be one of a run that this one replaces.

    Args:
        session: One transaction for all of it.
        claim: The attempt that resumes; events are stored as its own.
        until: Number of the last event before the checkpoint.
        read_events: Returns the events of an attempt, given its folder relative to the artifact root.
    """
    earlier = session.scalar(
        select(AttemptRow)
        .join(RunRow, AttemptRow.run_id == RunRow.id)
        .where(RunRow.job_id == claim.job_id, RunRow.seed == claim.seed, AttemptRow.checkpoint == claim.resume_from)
    )
    if earlier is None or _held_run(session, claim.run_id, claim.attempt) is None:
        return
    missing = [event for event in read_events(earlier.path) if earlier.last_event < event["n"] <= until]
    if not missing:
        return
    # The checkpoint itself is registered: this attempt was given it.
    _write_batch(session, claim, replace(sort_events(missing), checkpoint=None))
    record_position(session, run_id=claim.run_id, attempt=claim.attempt, last_event=missing[-1]["n"], earlier=earlier)


def record_progress(
    session: Session,
    *,
    run_id: str,
    attempt: int,
    phase: str | None = None,
    steps_done: int | None = None,
    steps_total: int | None = None,
    epoch: int | None = None,
    epochs: int | None = None,
    eta_s: float | None = None,
) -> bool:
    """Update progress columns. None leaves a column unchanged, except eta_s, which is always overwritten.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        phase: At most 40 characters, such as `train`.
        steps_done: Optimizer steps so far.
        steps_total: Optimizer steps in all.
        epoch: From 1.
        epochs: Epochs in all.
        eta_s: Seconds until the end, as estimated now.
    """
    run = _held_run(session, run_id, attempt)
    if run is None:
        return False
    columns = {"phase": phase, "steps_done": steps_done, "steps_total": steps_total, "epoch": epoch, "epochs": epochs}
    values = {name: value for name, value in columns.items() if value is not None}
    _set_run(session, run_id, **values, eta_s=eta_s, version=RunRow.version + 1)
    bump_versions(session, [run])
    return True


def record_metrics(session: Session, *, run_id: str, attempt: int, points: list[Point]) -> bool:
    """Add points to the run's curves; a point that exists already is left alone.

    NaN and Inf have no place in a curve and are left out; the trainers report them as events too.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        points: As (key, step, value).
    """
    if _held_run(session, run_id, attempt) is None:
        return False
    fixed = {"run_id": run_id, "attempt": attempt}
    rows = [{**fixed, "key": key, "step": step, "value": at} for key, step, at in points if math.isfinite(at)]
    if rows:
        _insert_new(session, MetricRow, rows)
        _set_run(session, run_id, version=RunRow.version + 1)
    return True


def record_event(session: Session, *, run_id: str, attempt: int, kind: EventKind, body: Event) -> bool:
    """Append one of the trainer's events.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        kind: Of the event.
        body: Its fields without number, time and kind.
    """
    run = _held_run(session, run_id, attempt)
    if run is None:
        return False
    add_event(session, run=run, attempt=attempt, kind=kind.value, body=dict(body))
    return True


def record_checkpoint(session: Session, *, run_id: str, attempt: int, path: str, step: int) -> bool:
    """Register the attempt's newest checkpoint, from which the next attempt goes on.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        path: Its folder, relative to the artifact root.
        step: Optimizer steps that are in it.
    """
    if _held_run(session, run_id, attempt) is None:
        return False
    _set_attempt(session, run_id, attempt, checkpoint=path, checkpoint_step=step)
    return True


def record_position(
    session: Session, *, run_id: str, attempt: int, last_event: int, earlier: AttemptRow | None = None
) -> bool:
    """Store the number of the trainer's last event that is in SQL.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        last_event: Number of the event, from 1.
        earlier: The attempt whose trainer wrote it, when the holder of the lease imports its events: of the same
            run, or of one that it replaces.
    """
    if _held_run(session, run_id, attempt) is None:
        return False
    written_by = (run_id, attempt) if earlier is None else (earlier.run_id, earlier.attempt)
    _set_attempt(session, *written_by, last_event=last_event)
    return True


def record_log(session: Session, *, run_id: str, attempt: int, number: int, text: str) -> bool:
    """Store a numbered chunk of the trainer's output; a chunk that exists already is left alone.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        number: Of the chunk within the attempt, from 1.
        text: The chunk.
    """
    if _held_run(session, run_id, attempt) is None:
        return False
    _insert_new(session, LogRow, [{"run_id": run_id, "attempt": attempt, "number": number, "text": storable(text)}])
    return True


def _write_batch(session: Session, claim: Claim, batch: EventBatch) -> None:
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


def _held_run(session: Session, run_id: str, attempt: int) -> RunRow | None:
    """Return the run, locked, if this attempt still holds its lease."""
    run = lock_run(session, run_id)
    return run if run is not None and has_lease(run, attempt) else None


def _set_run(session: Session, run_id: str, **values: Any) -> None:
    session.execute(
        update(RunRow).where(RunRow.id == run_id).values(**values).execution_options(synchronize_session=False)
    )


def _set_attempt(session: Session, run_id: str, attempt: int, **values: object) -> None:
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.run_id == run_id, AttemptRow.attempt == attempt)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _insert_new(session: Session, table: type[MetricRow] | type[LogRow], rows: list[dict[str, Any]]) -> None:
    at = session.scalar(now_s().select())
    stamped = [{**row, "at": at} for row in rows]
    # ON CONFLICT is part of each dialect, not of standard SQL.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(postgresql.insert(table).on_conflict_do_nothing(), stamped)
    else:
        session.execute(sqlite.insert(table).on_conflict_do_nothing(), stamped)
