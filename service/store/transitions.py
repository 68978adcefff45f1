"""One transition of one run: a compare-and-set UPDATE and its event row. `service.store.lifecycle` and
`service.store.run_actions` alone call it.

Locks are always taken in the order runs, jobs, experiments (each by id), so that no two writers wait for each other.
A transaction that has locked jobs or experiments locks no further runs.
The locks are FOR NO KEY UPDATE (`key_share`): inserting a row that refers to a locked one does not wait either.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, insert, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.api.webhooks import WebhookEvent
from cellgate.contract.states import RunState, sources_of
from service.domain.errors import Conflict
from service.store.database import now_s
from service.store.tables import EventRow, ExperimentRow, JobRow, RunRow
from service.store.webhooks import enqueue_event

TRANSITION = "transition"


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A requested change of a run's state.

    Args:
        run_id: The run.
        to: Its next state.
        reason: Why, in a few plain words; kept in the event.
        attempt: The writer's fencing number; None for writers without a lease (the API, the reconciler).
        values: Further columns of the run to set.
    """

    run_id: str
    to: RunState
    reason: str
    attempt: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def apply_transition(session: Session, change: Transition) -> bool:
    """Apply the transition and add its event; return False, having changed nothing, if it is not legal now."""
    run = lock_run(session, change.run_id)
    if run is None or RunState(run.state) not in sources_of(change.to):
        return False
    if change.attempt is not None and not has_lease(run, change.attempt):
        return False
    # The UPDATE's WHERE decides, not what was read before it.
    moved = session.execute(
        update(RunRow)
        .where(RunRow.id == run.id, RunRow.state == run.state, RunRow.attempt == run.attempt)
        .values(state=change.to.value, version=RunRow.version + 1, **change.values)
        .returning(RunRow.attempt)
        .execution_options(synchronize_session=False)
    ).scalar()
    if moved is None:
        return False
    body = {"from": run.state, "to": change.to.value, "reason": change.reason}
    add_event(session, run=run, attempt=moved, kind=TRANSITION, body=body)
    if change.to.terminal:
        _enqueue_end(session, run, change)
    return True


def move_run(session: Session, run: RunRow, to: RunState, reason: str, values: Mapping[str, Any]) -> RunState:
    """Apply a transition of a locked run, and return its new state.

    Args:
        session: The transaction that holds the run.
        run: As it was locked.
        to: Its next state.
        reason: Why, in a few plain words.
        values: Further columns to set.

    Raises:
        Conflict: The transition is not legal.
    """
    if not apply_transition(session, Transition(run_id=run.id, to=to, reason=reason, values=values)):
        raise Conflict(f"run {run.id} is {run.state}: it cannot become {to}")
    return to


def queued_again() -> dict[str, Any]:
    """Return what to set of a run that is queued again."""
    return {"queued_at": now_s(), "queued_uptime_s": null(), "dispatched_at": null()}


def _enqueue_end(session: Session, run: RunRow, change: Transition) -> None:
    reason = change.values.get("failure_reason")
    data = {"run": run.id, "job": run.job_id, "experiment": run.experiment_id, "cell": run.cell, "seed": run.seed}
    enqueue_event(session, WebhookEvent(f"run.{change.to.value}"), {**data, "failure_reason": reason})


def lock_run(session: Session, run_id: str) -> RunRow | None:
    """Return the run, locked until the transaction ends."""
    return session.scalar(select(RunRow).where(RunRow.id == run_id).with_for_update(key_share=True))


def lock_runs(session: Session, chosen: Select[RunRow], *, skip: bool = False) -> Sequence[RunRow]:
    """Return the chosen runs by id, locked until the transaction ends.

    Args:
        session: An open transaction.
        chosen: Selects the runs.
        skip: Leave out runs that another transaction has locked, instead of waiting for it.
    """
    locked = chosen.order_by(RunRow.id).with_for_update(key_share=True, skip_locked=skip, of=RunRow)
    return session.scalars(locked).all()


def has_lease(run: RunRow, attempt: int) -> bool:
    """Return whether this attempt holds the run's lease: a run given back keeps its number until the next claim."""
    return run.attempt == attempt and RunState(run.state).leased


def add_event(session: Session, *, run: RunRow, attempt: int, kind: str, body: dict[str, Any]) -> None:
    """Append one event of a run.

    Args:
        session: An open transaction.
        run: The run.
        attempt: Number of the attempt that it belongs to.
        kind: `transition` or an EventKind.
        body: JSON values.
    """
    values = {"run_id": run.id, "experiment_id": run.experiment_id, "attempt": attempt, "kind": kind, "body": body}
    session.execute(insert(EventRow).values(**values, at=now_s()))


def bump_versions(session: Session, runs: Iterable[RunRow], **values: Any) -> None:
    """Increment the versions of the runs' jobs and experiments, so that pollers see the change.

    Args:
        session: An open transaction.
        runs: The runs that changed.
        values: Columns of both tables to set.
    """
    found = list(runs)
    _bump(session, JobRow, {run.job_id for run in found}, values)
    _bump(session, ExperimentRow, {run.experiment_id for run in found if run.experiment_id}, values)


def _bump(
    session: Session, table: type[JobRow] | type[ExperimentRow], ids: set[str], values: Mapping[str, Any]
) -> None:
    for row_id in sorted(ids):
        session.execute(
            update(table)
            .where(table.id == row_id)
            .values(version=table.version + 1, **values)
            .execution_options(synchronize_session=False)
        )
