"""What may go by itself after a time, and never what a decision rests on: checkpoints, points of curves, answers."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session, aliased

from cellgate.contract.artifacts import CHECKPOINT_FOLDER
from cellgate.contract.states import RunState
from service.domain.comparison import thinned
from service.store.artifact_store import artifact_key
from service.store.batches import PACE, Pace, delete_in_batches, time_ago_s
from service.store.database import Database, now_s
from service.store.removals import queue_removals
from service.store.tables import AttemptRow, IdempotencyRow, MetricRow, RunRow

ENDED = [state.value for state in RunState if state.terminal]
# Of each curve: first, last, lowest and highest of 100 intervals.
POINTS_KEPT = 400
AT_ONCE = 200


def attempts_with_spare_checkpoints(
    session: Session, *, before_s: float, retriable: bool = False, limit: int = AT_ONCE
) -> Sequence[AttemptRow]:
    """Return attempts whose checkpoint nobody goes on from: their seed has succeeded.

    Args:
        session: An open transaction.
        before_s: Only where the seed's run ended before this time.
        retriable: Also of runs that failed or were cancelled; a retry then starts from the beginning.
        limit: Attempts at most.
    """
    current, earlier = aliased(RunRow), aliased(RunRow)
    of_the_seed = (current.job_id == earlier.job_id) & (current.seed == earlier.seed) & current.superseded_by.is_(None)
    states = ENDED if retriable else [RunState.SUCCEEDED.value]
    chosen = (
        select(AttemptRow)
        .join(earlier, AttemptRow.run_id == earlier.id)
        .join(current, of_the_seed)
        .where(AttemptRow.checkpoint.is_not(None), current.state.in_(states), current.finished_at <= before_s)
    )
    return session.scalars(chosen.order_by(AttemptRow.run_id, AttemptRow.attempt).limit(limit)).all()


def checkpoint_key(attempt: AttemptRow) -> str:
    """Return the key of an attempt's checkpoint folder."""
    return artifact_key(f"{attempt.path}/{CHECKPOINT_FOLDER}")


def remove_checkpoints(session: Session, attempts: Sequence[AttemptRow]) -> None:
    """Forget the checkpoints of these attempts and have their files removed."""
    for attempt in attempts:
        session.execute(
            update(AttemptRow)
            .where(AttemptRow.run_id == attempt.run_id, AttemptRow.attempt == attempt.attempt)
            .values(checkpoint=None)
            .execution_options(synchronize_session=False)
        )
    queue_removals(session, [checkpoint_key(attempt) for attempt in attempts])


def thin_next_curves(session: Session, *, before_s: float, limit: int = 1) -> list[str]:
    """Thin the curves of the next runs that ended before a time, and return their ids; empty when all are thin.

    Args:
        session: An open transaction.
        before_s: Seconds since the epoch.
        limit: Runs at most; more than one hold up all other writers of SQLite for longer.

    Source:
        M4, as `service.domain.comparison.thinned` names it.
    """
    old = (RunRow.state.in_(ENDED), RunRow.finished_at <= before_s, RunRow.metrics_thinned_at.is_(None))
    runs = session.scalars(select(RunRow.id).where(*old).order_by(RunRow.id).limit(limit)).all()
    for run_id in runs:
        keys = session.scalars(select(MetricRow.key).where(MetricRow.run_id == run_id).distinct()).all()
        for key in keys:
            _thin(session, run_id, key)
    marked = update(RunRow).where(RunRow.id.in_(runs)).values(metrics_thinned_at=now_s())
    session.execute(marked.execution_options(synchronize_session=False))
    return list(runs)


def _thin(session: Session, run_id: str, key: str) -> None:
    of_it: tuple[ColumnElement[bool], ...] = (MetricRow.run_id == run_id, MetricRow.key == key)
    chosen = select(MetricRow.step, MetricRow.value).where(*of_it).order_by(MetricRow.step, MetricRow.attempt)
    # Where two attempts measured a step, the later one is shown.
    curve: dict[int, float] = {step: value for step, value in session.execute(chosen)}  # noqa: C416 - rows are no pairs to mypy
    if len(curve) <= POINTS_KEPT:
        return
    kept, _ = thinned(list(curve), list(curve.values()), max_points=POINTS_KEPT)
    gone = delete(MetricRow).where(*of_it, MetricRow.step.not_in(kept))
    session.execute(gone.execution_options(synchronize_session=False))


def forget_answers(database: Database, *, keep_s: float, pace: Pace = PACE) -> int:
    """Forget the answers to Idempotency-Keys that are older than `keep_s`, and return how many were found."""
    old = IdempotencyRow.created_at <= time_ago_s(database, keep_s)
    return delete_in_batches(database, IdempotencyRow.key, old, pace=pace)
