"""Every lifecycle function in every state: the move that the table allows, or a refusal that changes nothing."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import RunLimits
from cellgate.contract.states import LEASED, LEGAL_TRANSITIONS, FailureReason, RunState
from service.domain.errors import Conflict
from service.store import lifecycle, run_actions
from service.store.claims import claim_next
from service.store.database import Database
from service.store.dispatch import due_for_dispatch
from service.store.jobs import create_job, runs_of_jobs
from service.store.retries import retry_run
from service.store.runs import events_of
from service.store.tables import AttemptRow, EventRow, JobRow, RunRow
from tests.lapsed_leases import expire_lapsed

S = RunState
ATTEMPT = 3
Act = Callable[[Session, str], object]


def held(act: Callable[..., object], **arguments: Any) -> Act:
    """Return an action of the attempt that holds the run."""
    return lambda session, run_id: act(session, run_id=run_id, attempt=ATTEMPT, **arguments)


ACTIONS: dict[str, Act] = {
    "claim": lambda session, _: claim_next(session, worker="w2", queues=["cpu"], lease_s=60),
    "renew": held(lifecycle.renew, lease_s=60),
    "mark_running": held(lifecycle.mark_running),
    "succeed": held(lifecycle.succeed, exit_code=0, result={}),
    "fail": held(lifecycle.fail, reason=FailureReason.KILLED, detail="killed"),
    "cancelled": held(lifecycle.cancelled),
    "release": held(lifecycle.release, why="draining"),
    "release_once_too_often": held(lifecycle.release, why="killed", counts=True),
    "expire_lease": lambda session, _: expire_lapsed(session),
    "expire_queued": lambda session, _: lifecycle.expire_queued(session),
    "cancel": run_actions.cancel_run,
    "pause": run_actions.pause_run,
    "resume": run_actions.resume_run,
    "retry": retry_run,
    "dispatch": lambda session, _: due_for_dispatch(session, redispatch_after_s=0),
}
# What each action makes of each state; where a state is missing, nothing.
LET_GO: dict[RunState, tuple[RunState, ...]] = {S.CANCELLING: (S.CANCELLED,), S.PAUSING: (S.PAUSED,)}
AGAIN = (S.RECOVERING, S.QUEUED)
MOVES: dict[str, dict[RunState, tuple[RunState, ...]]] = {
    "claim": {S.QUEUED: (S.STARTING,)},
    "renew": {},
    "mark_running": {S.STARTING: (S.RUNNING,)},
    "succeed": {
        S.STARTING: (S.RUNNING, S.SUCCEEDED),
        **dict.fromkeys((S.RUNNING, S.PAUSING, S.CANCELLING), (S.SUCCEEDED,)),
    },
    "fail": dict.fromkeys((S.STARTING, S.RUNNING, S.PAUSING, S.CANCELLING), (S.FAILED,)),
    "cancelled": {S.CANCELLING: (S.CANCELLED,)},
    "release": {S.STARTING: AGAIN, S.RUNNING: AGAIN, **LET_GO},
    "release_once_too_often": {S.STARTING: (S.FAILED,), S.RUNNING: (S.FAILED,), **LET_GO},
    "expire_lease": {S.STARTING: AGAIN, S.RUNNING: AGAIN, **LET_GO},
    "expire_queued": {S.QUEUED: (S.FAILED,)},
    "cancel": {
        **dict.fromkeys((S.QUEUED, S.PAUSED), (S.CANCELLED,)),
        **dict.fromkeys((S.STARTING, S.RUNNING, S.PAUSING), (S.CANCELLING,)),
    },
    "pause": {S.QUEUED: (S.PAUSED,), S.STARTING: (S.PAUSING,), S.RUNNING: (S.PAUSING,)},
    "resume": {S.PAUSED: (S.QUEUED,)},
    "retry": {},
    "dispatch": {},
}
# What changes something besides the state.
OTHERWISE = {
    *product(["renew"], LEASED),
    *product(["retry"], (S.FAILED, S.CANCELLED)),
    ("dispatch", S.QUEUED),
}


@dataclass(frozen=True, kw_only=True)
class HeldRun:
    """A database file that is never opened again, and the id of the run in it that a worker holds."""

    file: Path
    run_id: str


@pytest.fixture(scope="module")
def held_run(template: Any, tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    """A run with an attempt that a worker holds; made once and copied for each test."""
    file = Path(shutil.copy(template.file, tmp_path_factory.mktemp("held") / "cellgate.db"))
    database = Database(f"sqlite:///{file}")
    with database.begin() as session:
        limits = RunLimits(queue_timeout_s=10)
        job = create_job(session, cell=Cell.GNN, dataset_id=template.dataset_id, config={}, seeds=[0], limits=limits)
        run_id = runs_of_jobs(session, [job.id])[job.id][0].id
        session.execute(update(RunRow).where(RunRow.id == run_id).values(attempt=ATTEMPT - 1))
        claim_next(session, worker="w", queues=["cpu"], lease_s=60)
    database.dispose()
    return HeldRun(file=file, run_id=run_id)


@pytest.fixture
def database(held_run: HeldRun, tmp_path: Path) -> Iterator[Database]:
    """A database of the test's own with the run."""
    copy = shutil.copy(held_run.file, tmp_path / "cellgate.db")
    database = Database(f"sqlite:///{copy}")
    yield database
    database.dispose()


@pytest.fixture
def run_id(held_run: HeldRun) -> str:
    """A run with an attempt that a worker holds."""
    return held_run.run_id


def put(database: Database, run_id: str, state: RunState, action: str) -> None:
    """Bring the run into the state, as if it had come there long ago."""
    leased = state in LEASED
    values: dict[str, Any] = {"state": state.value, "lease_expires_at": 1e12 if leased else None, "queued_at": 1.0}
    if action == "expire_queued":
        values["queued_uptime_s"] = -1e6
    if action == "expire_lease":
        values["lease_expires_at"] = 1.0
    if action == "release_once_too_often":
        values["recoveries"] = lifecycle.MAX_RECOVERIES
    with database.begin() as session:
        session.execute(update(RunRow).where(RunRow.id == run_id).values(**values))


def everything(database: Database) -> list[dict[str, Any]]:
    """Return every row that an action could change."""
    with database.read() as session:
        return [
            {column.key: getattr(row, column.key) for column in table.__table__.columns}
            for table in (RunRow, AttemptRow, EventRow, JobRow)
            for row in session.scalars(select(table)).all()
        ]


def transitions(database: Database, run_id: str) -> list[tuple[str, str, int | None]]:
    with database.read() as session:
        events = [event for event in events_of(session, run_id=run_id) if event.kind == "transition"]
    return [(event.body["from"], event.body["to"], event.attempt) for event in events]


def state_of(database: Database, run_id: str) -> RunRow:
    with database.read() as session:
        return session.scalars(select(RunRow).where(RunRow.id == run_id)).one()


def attempted(database: Database, act: Act, run_id: str) -> None:
    """Do it in a transaction of its own; a refusal undoes what it did."""
    try:
        with database.begin() as session:
            act(session, run_id)
    except Conflict:
        return


def test_the_legal_moves_are_those_that_something_makes() -> None:
    steps = {
        pair
        for moves in MOVES.values()
        for source, path in moves.items()
        for pair in zip((source, *path), path, strict=False)
    }
    legal = {(source, target) for source, targets in LEGAL_TRANSITIONS.items() for target in targets}
    assert steps == legal


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", S)
def test_every_action_in_every_state_makes_its_move_or_changes_nothing(
    database: Database, run_id: str, state: RunState, action: str
) -> None:
    put(database, run_id, state, action)
    before, events = everything(database), transitions(database, run_id)

    attempted(database, ACTIONS[action], run_id)

    path = MOVES[action].get(state, ())
    after = state_of(database, run_id)
    assert after.state == (path[-1] if path else state)
    attempt = ATTEMPT + 1 if (action, state) == ("claim", S.QUEUED) else ATTEMPT
    assert after.attempt == attempt
    # one event row for each move
    expected = [(a.value, b.value, attempt) for a, b in zip((state, *path), path, strict=False)]
    assert transitions(database, run_id)[len(events) :] == expected
    if not path and (action, state) not in OTHERWISE:
        assert everything(database) == before
    if path and path[-1] in LEASED:
        assert after.lease_expires_at is not None
    elif path:
        assert after.lease_expires_at is None
    assert (after.finished_at is not None) == (bool(path) and path[-1].terminal)
