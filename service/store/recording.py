"""What a running attempt says, into rows; every write is fenced by its attempt number.

Each function returns False, having written nothing, when the attempt no longer holds the run's lease.
"""

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cellgate.contract.events import EventKind
from service.store.database import now_s
from service.store.tables import AttemptRow, LogRow, MetricRow, RunRow
from service.store.transitions import add_event, bump_versions, has_lease, lock_run

Point = tuple[str, int, float]


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
    """Set how far the run is; what is None stays as it was, but an ETA belongs to the moment it was said."""
    run = holder(session, run_id, attempt)
    if run is None:
        return False
    said = {"phase": phase, "steps_done": steps_done, "steps_total": steps_total, "epoch": epoch, "epochs": epochs}
    values = {name: value for name, value in said.items() if value is not None}
    _set_run(session, run_id, **values, eta_s=eta_s, version=RunRow.version + 1)
    bump_versions(session, [run])
    return True


def record_metrics(session: Session, *, run_id: str, attempt: int, points: list[Point]) -> bool:
    """Add points (key, step, value) to the run's curves; a point that is there already is left alone.

    NaN and Inf have no place in a curve and are left out; the trainers say them as events too.
    """
    if holder(session, run_id, attempt) is None:
        return False
    fixed = {"run_id": run_id, "attempt": attempt}
    rows = [{**fixed, "key": key, "step": step, "value": at} for key, step, at in points if math.isfinite(at)]
    if rows:
        _insert_new(session, MetricRow, rows)
        _set_run(session, run_id, version=RunRow.version + 1)
    return True


def record_event(session: Session, *, run_id: str, attempt: int, kind: EventKind, body: Mapping[str, Any]) -> bool:
    """Append one of the trainer's events."""
    run = holder(session, run_id, attempt)
    if run is None:
        return False
    add_event(session, run=run, attempt=attempt, kind=kind.value, body=dict(body))
    return True


def record_checkpoint(session: Session, *, run_id: str, attempt: int, path: str, step: int) -> bool:
    """Register the attempt's newest checkpoint, from which the next attempt goes on.

    Args:
        path: Its folder, relative to the artifact root.
        step: Optimizer steps that are in it.
    """
    if holder(session, run_id, attempt) is None:
        return False
    _set_attempt(session, run_id, attempt, checkpoint=path, checkpoint_step=step)
    return True


def record_position(
    session: Session, *, run_id: str, attempt: int, last_event: int, earlier: AttemptRow | None = None
) -> bool:
    """Remember the number of the trainer's last event that is in SQL.

    Args:
        earlier: The attempt whose trainer said it, when the one that holds the lease catches up on it: of the same
            run, or of one in whose place it is.
    """
    if holder(session, run_id, attempt) is None:
        return False
    said_by = (run_id, attempt) if earlier is None else (earlier.run_id, earlier.attempt)
    _set_attempt(session, *said_by, last_event=last_event)
    return True


def record_log(session: Session, *, run_id: str, attempt: int, number: int, text: str) -> bool:
    """Keep a numbered chunk of what the trainer printed; a chunk that is there already is left alone."""
    if holder(session, run_id, attempt) is None:
        return False
    # PostgreSQL has no way to store NUL in text.
    row = {
        "run_id": run_id,
        "attempt": attempt,
        "number": number,
        "text": text.replace("\x00", "\N{REPLACEMENT CHARACTER}"),
    }
    _insert_new(session, LogRow, [row])
    return True


def holder(session: Session, run_id: str, attempt: int) -> RunRow | None:
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
    # on_conflict_do_nothing is a word of each dialect, not of SQL.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(postgresql.insert(table).on_conflict_do_nothing(), stamped)
    else:
        session.execute(sqlite.insert(table).on_conflict_do_nothing(), stamped)
