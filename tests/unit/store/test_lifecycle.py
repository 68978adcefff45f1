from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.configs import TransformerConfig
from cellgate.contract.events import EventKind
from cellgate.contract.experiment import ExperimentSpec, RunLimits
from cellgate.contract.states import LEASED, LEGAL_TRANSITIONS, FailureReason, JobState, RunState, job_state
from service.domain.errors import Conflict, NotFound
from service.store import lifecycle, run_actions
from service.store.claims import Claim, claim_next
from service.store.database import Database, now_s
from service.store.dispatch import due_for_dispatch
from service.store.experiments import create_experiment, get_experiment
from service.store.jobs import create_job, get_job, runs_of_jobs
from service.store.leases import lease_marks
from service.store.logs import chunks_after
from service.store.recorder import (
    record_checkpoint,
    record_event,
    record_log,
    record_metrics,
    record_position,
    record_progress,
)
from service.store.runs import events_of, get_run, metrics_of
from service.store.tables import AttemptRow, RunRow
from service.store.transitions import Transition, apply_transition
from tests.lapsed_leases import expire_lapsed

S = RunState
CONFIG = TransformerConfig().model_dump(mode="json")


@pytest.fixture
def run_id(database: Database, dataset_id: str) -> str:
    """A queued run of a job of its own."""
    with database.begin() as session:
        job = create_job(session, cell=Cell.TRANSFORMER, dataset_id=dataset_id, config=CONFIG, seeds=[0])
        return runs_of_jobs(session, [job.id])[job.id][0].id


def claim(database: Database, *, lease_s: float = 60) -> Claim:
    with database.begin() as session:
        found = claim_next(session, worker="w1", queues=["cpu"], lease_s=lease_s)
    assert found is not None
    return found


def state_of(database: Database, run_id: str) -> RunState:
    with database.read() as session:
        return RunState(get_run(session, run_id).state)


def force(database: Database, run_id: str, state: RunState) -> None:
    with database.begin() as session:
        session.execute(update(RunRow).where(RunRow.id == run_id).values(state=state.value))


def transitions(database: Database, run_id: str) -> list[tuple[str, str]]:
    with database.read() as session:
        events = events_of(session, run_id=run_id)
    return [(event.body["from"], event.body["to"]) for event in events if event.kind == "transition"]


def test_exactly_the_legal_moves_are_made_and_each_leaves_one_event(database: Database, run_id: str) -> None:
    for source in S:
        for target in S:
            force(database, run_id, source)
            before = len(transitions(database, run_id))

            with database.begin() as session:
                moved = apply_transition(session, Transition(run_id=run_id, to=target, reason="test"))

            legal = target in LEGAL_TRANSITIONS[source]
            assert moved is legal, (source, target)
            assert state_of(database, run_id) is (target if legal else source)
            assert transitions(database, run_id)[before:] == ([(source, target)] if legal else [])


def test_a_move_with_an_old_attempt_changes_nothing(database: Database, run_id: str) -> None:
    claim(database)
    with database.begin() as session:
        assert not apply_transition(session, Transition(run_id=run_id, to=S.RUNNING, reason="test", attempt=0))
    assert state_of(database, run_id) is S.STARTING


def test_a_run_goes_from_queued_to_succeeded_and_its_history_says_so(database: Database, run_id: str) -> None:
    held = claim(database)
    with database.begin() as session:
        assert lifecycle.mark_running(session, run_id=run_id, attempt=held.attempt)
    with database.begin() as session:
        assert lifecycle.succeed(session, run_id=run_id, attempt=held.attempt, exit_code=0, result={"a": 1})

    with database.read() as session:
        run = get_run(session, run_id)
        attempt = session.scalars(select(AttemptRow)).all()[-1]
    assert (run.state, run.exit_code, run.result, run.lease_expires_at) == (S.SUCCEEDED, 0, {"a": 1}, None)
    assert run.finished_at is not None
    assert run.started_at is not None
    assert run.finished_at >= run.started_at >= run.created_at
    assert (attempt.outcome, attempt.exit_code) == ("succeeded", 0)
    assert transitions(database, run_id) == [("queued", "starting"), ("starting", "running"), ("running", "succeeded")]


def test_a_failure_keeps_its_reason_detail_and_exit_code(database: Database, run_id: str) -> None:
    held = claim(database)
    with database.begin() as session:
        assert lifecycle.fail(
            session,
            run_id=run_id,
            attempt=held.attempt,
            reason=FailureReason.COLLAPSE,
            detail="predicts one class",
            exit_code=5,
        )
    with database.read() as session:
        run = get_run(session, run_id)
    assert (run.state, run.failure_reason, run.failure_detail, run.exit_code) == (
        "failed",
        "collapse",
        "predicts one class",
        5,
    )


def write_functions(held: Claim) -> dict[str, Callable[[Session], object]]:
    """Every write that a holder of a lease may make, by name."""
    run_id, attempt = held.run_id, held.attempt
    return {
        "mark_running": lambda s: lifecycle.mark_running(s, run_id=run_id, attempt=attempt),
        "renew": lambda s: lifecycle.renew(s, run_id=run_id, attempt=attempt, lease_s=60),
        "succeed": lambda s: lifecycle.succeed(s, run_id=run_id, attempt=attempt, exit_code=0, result={}),
        "fail": lambda s: lifecycle.fail(
            s, run_id=run_id, attempt=attempt, reason=FailureReason.KILLED, detail="killed", exit_code=None
        ),
        "cancelled": lambda s: lifecycle.cancelled(s, run_id=run_id, attempt=attempt),
        "release": lambda s: lifecycle.release(s, run_id=run_id, attempt=attempt, why="draining"),
        "progress": lambda s: record_progress(s, run_id=run_id, attempt=attempt, steps_done=9),
        "metrics": lambda s: record_metrics(s, run_id=run_id, attempt=attempt, points=[("dev/f1", 9, 0.9)]),
        "event": lambda s: record_event(s, run_id=run_id, attempt=attempt, kind=EventKind.WARNING, body={}),
        "checkpoint": lambda s: record_checkpoint(s, run_id=run_id, attempt=attempt, path="c", step=9),
        "position": lambda s: record_position(s, run_id=run_id, attempt=attempt, last_event=9),
        "log": lambda s: record_log(s, run_id=run_id, attempt=attempt, number=9, text="x"),
    }


WRITES = list(
    write_functions(
        Claim(
            run_id="", job_id="", cell=Cell.GNN, seed=0, attempt=0, path="", resume_from=None, recoveries=0
        )
    )
)  # fmt: skip


def everything(database: Database) -> list[object]:
    """Every row of a run's tables, to compare."""
    with database.read() as session:
        run_rows = [
            {column.name: getattr(row, column.key) for column in RunRow.__table__.columns}
            for row in session.scalars(select(RunRow).order_by(RunRow.id))
        ]
        attempts = [
            {column.name: getattr(row, column.key) for column in AttemptRow.__table__.columns}
            for row in session.scalars(select(AttemptRow).order_by(AttemptRow.run_id, AttemptRow.attempt))
        ]
        runs = [row["id"] for row in run_rows]
        events = [event.id for run in runs for event in events_of(session, run_id=run)]
        curves = [metrics_of(session, run) for run in runs]
        logs = [log.number for run in runs for log in chunks_after(session, run)]
    return [run_rows, attempts, events, curves, logs]


@pytest.mark.parametrize("name", WRITES)
def test_a_holder_whose_lease_was_taken_over_can_change_nothing(database: Database, run_id: str, name: str) -> None:
    # given a worker that fell silent and another that has taken over
    stale = claim(database, lease_s=-1)
    with database.begin() as session:
        assert expire_lapsed(session) == [run_id]
    current = claim(database)
    assert current.attempt == stale.attempt + 1
    before = everything(database)

    # when the first one comes back
    with database.begin() as session:
        answer = write_functions(stale)[name](session)

    # then the return value shows it, and nothing has changed
    assert answer in (False, None)
    assert everything(database) == before


@pytest.mark.parametrize("state", [state for state in S if state not in LEASED])
def test_nothing_can_be_written_to_a_run_that_nobody_holds(database: Database, run_id: str, state: RunState) -> None:
    writes = write_functions(claim(database))
    force(database, run_id, state)
    before = everything(database)

    with database.begin() as session:
        answers = {name: write(session) for name, write in writes.items()}

    assert all(answer in (False, None) for answer in answers.values()), answers
    assert everything(database) == before


@pytest.mark.usefixtures("run_id")
def test_the_holder_can_write_everything(database: Database) -> None:
    writes = write_functions(claim(database))
    for name in ("mark_running", "renew", "progress", "metrics", "event", "checkpoint", "position", "log", "succeed"):
        with database.begin() as session:
            assert writes[name](session), name


def test_renewing_extends_the_lease_and_returns_what_the_holder_must_do(database: Database, run_id: str) -> None:
    held = claim(database, lease_s=1)
    with database.begin() as session:
        assert lifecycle.renew(session, run_id=run_id, attempt=held.attempt, lease_s=100) is S.STARTING
    with database.read() as session:
        expires = get_run(session, run_id).lease_expires_at
        now = session.scalar(select(now_s()))
    assert expires is not None
    assert now is not None
    assert 90 < expires - now <= 100

    with database.begin() as session:
        assert run_actions.cancel_run(session, run_id) is S.CANCELLING
        assert lifecycle.renew(session, run_id=run_id, attempt=held.attempt, lease_s=100) is S.CANCELLING


def test_a_waiting_run_is_cancelled_at_once(database: Database, run_id: str) -> None:
    with database.begin() as session:
        assert run_actions.cancel_run(session, run_id) is S.CANCELLED
    with database.begin() as session:
        assert claim_next(session, worker="w", queues=["cpu"], lease_s=1) is None


def test_a_running_run_gets_a_request_to_stop_and_then_cancelled_by_its_holder(database: Database, run_id: str) -> None:
    held = claim(database)
    with database.begin() as session:
        assert run_actions.cancel_run(session, run_id) is S.CANCELLING
        assert run_actions.cancel_run(session, run_id) is S.CANCELLING
    with database.begin() as session:
        assert lifecycle.cancelled(session, run_id=run_id, attempt=held.attempt, exit_code=8)
    assert state_of(database, run_id) is S.CANCELLED


def test_a_run_that_has_ended_cannot_be_cancelled(database: Database, run_id: str) -> None:
    with database.begin() as session:
        run_actions.cancel_run(session, run_id)
    with pytest.raises(Conflict, match="already cancelled"), database.begin() as session:
        run_actions.cancel_run(session, run_id)


def test_what_does_not_exist_cannot_be_cancelled(database: Database) -> None:
    with pytest.raises(NotFound), database.begin() as session:
        run_actions.cancel_run(session, "run_none")


def test_a_result_that_came_before_the_cancel_stands(database: Database, run_id: str) -> None:
    held = claim(database)
    with database.begin() as session:
        lifecycle.mark_running(session, run_id=run_id, attempt=held.attempt)
        run_actions.cancel_run(session, run_id)
        assert lifecycle.succeed(session, run_id=run_id, attempt=held.attempt, exit_code=0, result={})
    assert state_of(database, run_id) is S.SUCCEEDED


def test_a_released_run_is_queued_again_and_goes_on_from_its_checkpoint(database: Database, run_id: str) -> None:
    first = claim(database)
    with database.begin() as session:
        lifecycle.mark_running(session, run_id=run_id, attempt=first.attempt)
        path = f"{first.path}/checkpoint"
        record_checkpoint(session, run_id=run_id, attempt=first.attempt, path=path, step=40)
        state = lifecycle.release(session, run_id=run_id, attempt=first.attempt, why="the worker is draining")
    assert state is S.QUEUED

    second = claim(database)

    assert (second.attempt, second.resume_from, second.recoveries) == (2, path, 0)
    assert second.path == f"runs/{run_id}/attempt-2"
    assert transitions(database, run_id)[-3:] == [
        ("running", "recovering"),
        ("recovering", "queued"),
        ("queued", "starting"),
    ]


def test_an_attempt_without_a_checkpoint_leaves_the_one_before_in_place(database: Database, run_id: str) -> None:
    for number in (1, 2):
        held = claim(database)
        with database.begin() as session:
            if number == 1:
                record_checkpoint(session, run_id=run_id, attempt=1, path="runs/x/attempt-1/checkpoint", step=4)
            lifecycle.release(session, run_id=run_id, attempt=held.attempt, why="draining")
    assert claim(database).resume_from == "runs/x/attempt-1/checkpoint"


def test_releasing_a_run_that_is_to_be_cancelled_cancels_it(database: Database, run_id: str) -> None:
    held = claim(database)
    with database.begin() as session:
        run_actions.cancel_run(session, run_id)
        assert lifecycle.release(session, run_id=run_id, attempt=held.attempt, why="draining") is S.CANCELLED


def test_a_paused_run_waits_until_it_is_resumed(database: Database, run_id: str) -> None:
    held = claim(database)
    with database.begin() as session:
        lifecycle.mark_running(session, run_id=run_id, attempt=held.attempt)
        run_actions.pause_run(session, run_id)
        assert lifecycle.release(session, run_id=run_id, attempt=held.attempt, why="stopped") is S.PAUSED
    with database.begin() as session:
        assert claim_next(session, worker="w", queues=["cpu"], lease_s=1) is None
        run_actions.resume_run(session, run_id)
    assert claim(database).attempt == 2


def test_a_waiting_run_is_paused_at_once_and_its_wait_begins_anew_when_it_is_resumed(
    database: Database, run_id: str
) -> None:
    with database.begin() as session:
        queued_at = get_run(session, run_id).queued_at
        for _twice in range(2):
            run_actions.pause_run(session, run_id)
    assert state_of(database, run_id) is S.PAUSED
    with database.begin() as session:
        assert claim_next(session, worker="w", queues=["cpu"], lease_s=1) is None
        run_actions.resume_run(session, run_id)
        assert get_run(session, run_id).queued_at > queued_at
    assert transitions(database, run_id) == [("queued", "paused"), ("paused", "queued")]


def test_what_has_ended_cannot_be_paused_and_what_is_not_paused_cannot_be_resumed(
    database: Database, run_id: str
) -> None:
    with pytest.raises(Conflict, match="is queued: only a paused run can be resumed"), database.begin() as session:
        run_actions.resume_run(session, run_id)
    with database.begin() as session:
        run_actions.cancel_run(session, run_id)
    with pytest.raises(Conflict, match="is cancelled: only a run that waits or runs"), database.begin() as session:
        run_actions.pause_run(session, run_id)


@pytest.mark.parametrize("moved", ["renewed", "renewed by release 0.2", "claimed by another attempt"])
def test_a_lease_that_has_moved_since_it_was_seen_is_not_taken_away(
    database: Database, run_id: str, moved: str
) -> None:
    held = claim(database, lease_s=-1)
    with database.begin() as session:
        seen = lease_marks(session)
        if moved == "renewed":
            # By a host whose clock was set back by a year: the time that it writes decides nothing.
            lifecycle.renew(session, run_id=run_id, attempt=held.attempt, lease_s=-3e7)
        elif moved == "renewed by release 0.2":
            session.execute(update(RunRow).values(lease_expires_at=now_s() + 15))
        else:
            lifecycle.release(session, run_id=run_id, attempt=held.attempt, why="draining")
    if moved == "claimed by another attempt":
        claim(database, lease_s=-1)

    with database.begin() as session:
        assert lifecycle.expire_leases(session, seen) == []
    assert state_of(database, run_id) is S.STARTING


def test_a_lost_worker_costs_a_recovery_and_too_many_end_the_run(database: Database, run_id: str) -> None:
    for recovery in range(1, lifecycle.MAX_RECOVERIES + 1):
        claim(database, lease_s=-1)
        with database.begin() as session:
            expire_lapsed(session)
            run = get_run(session, run_id)
            assert (run.state, run.recoveries) == (S.QUEUED, recovery)

    claim(database, lease_s=-1)
    with database.begin() as session:
        assert expire_lapsed(session) == [run_id]
        run = get_run(session, run_id)
    assert (run.state, run.failure_reason) == (S.FAILED, FailureReason.WORKER_LOST)


def test_a_lost_worker_costs_nothing_where_the_run_has_got_further_than_ever_before(
    database: Database, run_id: str
) -> None:
    steps = [5, 9, 9, 4, 12, 13, 14, 15, 16, 17]
    recoveries = []
    for step in steps:
        held = claim(database, lease_s=-1)
        with database.begin() as session:
            record_checkpoint(session, run_id=run_id, attempt=held.attempt, path="c", step=step)
        with database.begin() as session:
            assert expire_lapsed(session) == [run_id]
            recoveries.append(get_run(session, run_id).recoveries)

    assert recoveries == [0, 0, 1, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("reason", [FailureReason.KILLED, FailureReason.OUT_OF_MEMORY, FailureReason.STORAGE_FULL])
def test_what_the_run_itself_may_be_at_fault_for_costs_a_recovery_however_far_it_got(
    database: Database, run_id: str, reason: FailureReason
) -> None:
    held = claim(database)
    with database.begin() as session:
        record_checkpoint(session, run_id=run_id, attempt=held.attempt, path="c", step=9)
        lifecycle.release(session, run_id=run_id, attempt=held.attempt, why="it ended", counts=True, gave_up=reason)
        assert get_run(session, run_id).recoveries == 1


def test_a_lost_worker_of_a_run_that_is_to_be_cancelled_leaves_it_cancelled(database: Database, run_id: str) -> None:
    claim(database, lease_s=-1)
    with database.begin() as session:
        run_actions.cancel_run(session, run_id)
        expire_lapsed(session)
    assert state_of(database, run_id) is S.CANCELLED


def test_a_worker_claims_from_its_own_queues_only(database: Database, dataset_id: str) -> None:
    with database.begin() as session:
        create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=[0], limits=RunLimits(queue="gpu"))
    with database.begin() as session:
        assert claim_next(session, worker="w", queues=["cpu"], lease_s=1) is None
        assert claim_next(session, worker="w", queues=["cpu", "gpu"], lease_s=1) is not None


def test_a_notification_is_sent_once_until_it_is_due_again(database: Database, run_id: str) -> None:
    with database.begin() as session:
        assert due_for_dispatch(session, redispatch_after_s=60) == [(run_id, "cpu")]
    with database.begin() as session:
        assert due_for_dispatch(session, redispatch_after_s=60) == []
        assert due_for_dispatch(session, redispatch_after_s=0) == [(run_id, "cpu")]


def test_a_run_that_is_queued_again_is_notified_again(database: Database, run_id: str) -> None:
    with database.begin() as session:
        due_for_dispatch(session, redispatch_after_s=60)
    held = claim(database)
    with database.begin() as session:
        assert due_for_dispatch(session, redispatch_after_s=0) == []
        lifecycle.release(session, run_id=run_id, attempt=held.attempt, why="draining")
        assert due_for_dispatch(session, redispatch_after_s=60) == [(run_id, "cpu")]


def test_every_change_of_a_run_gives_run_job_and_experiment_a_new_version(database: Database, dataset_id: str) -> None:
    with database.begin() as session:
        experiment = create_experiment(session, name="q", dataset_id=dataset_id, spec=ExperimentSpec(seeds=[0]))

    def versions() -> tuple[int, int, int]:
        with database.read() as session:
            run = session.scalars(select(RunRow).where(RunRow.experiment_id == experiment.id)).one()
            return run.version, get_job(session, run.job_id).version, get_experiment(session, experiment.id).version

    before = versions()
    held = claim(database)
    claimed = versions()
    with database.begin() as session:
        record_progress(session, run_id=held.run_id, attempt=held.attempt, steps_done=1)
    progressed = versions()

    assert all(old < new for old, new in zip(before, claimed, strict=True))
    assert all(old < new for old, new in zip(claimed, progressed, strict=True))


def test_a_jobs_state_is_derived_from_its_runs(database: Database, dataset_id: str) -> None:
    with database.begin() as session:
        job = create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=[0, 1])

    def state() -> JobState:
        with database.read() as session:
            return job_state(RunState(run.state) for run in runs_of_jobs(session, [job.id])[job.id])

    seen = [state()]
    for _seed in (0, 1):
        held = claim(database)
        seen.append(state())
        with database.begin() as session:
            lifecycle.succeed(session, run_id=held.run_id, attempt=held.attempt, exit_code=0, result={})
        seen.append(state())
    assert seen == ["queued", "running", "running", "running", "succeeded"]
