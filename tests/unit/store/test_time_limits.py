"""How long a run may wait, and how long it may run."""

import pytest
from sqlalchemy import func, update

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec, RunLimits
from service.domain.principals import Owner
from service.store import lifecycle, run_actions
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.experiments import create_experiment
from service.store.jobs import create_job, get_job, jobs_of_experiment, runs_of_jobs
from service.store.runs import get_run
from service.store.tables import AttemptRow, RunRow
from tests.fakes import FakeTrainers

ME = Owner(id="pri_me", name="me")


def queued(database: Database, dataset_id: str, **limits: float) -> str:
    with database.begin() as session:
        job = create_job(
            session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=[0], limits=RunLimits.model_validate(limits)
        )
        return runs_of_jobs(session, [job.id])[job.id][0].id


def claim(database: Database) -> Claim:
    with database.begin() as session:
        found = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
    assert found is not None
    return found


def let_pass(database: Database, run_id: str, seconds: float) -> None:
    """Move what happened to the run into the past."""
    with database.begin() as session:
        session.execute(
            update(RunRow)
            .where(RunRow.id == run_id)
            .values(queued_uptime_s=func.coalesce(RunRow.queued_uptime_s, 0.0) - seconds),
            execution_options={"synchronize_session": False},
        )


def overdue(database: Database) -> list[str]:
    with database.begin() as session:
        return lifecycle.expire_queued(session)


def test_a_run_that_is_queued_for_longer_than_its_limit_fails_and_says_so(database: Database, dataset_id: str) -> None:
    run_id = queued(database, dataset_id, queue_timeout_s=100)
    without_limit = queued(database, dataset_id)
    for waiting in (run_id, without_limit):
        let_pass(database, waiting, 99)
    assert overdue(database) == []
    for waiting in (run_id, without_limit):
        let_pass(database, waiting, 2)

    assert overdue(database) == [run_id]
    assert overdue(database) == []

    with database.read() as session:
        run = get_run(session, run_id)
        assert (run.state, run.failure_reason) == ("failed", "queue_timeout")
        assert run.finished_at is not None
        assert "queue_timeout_s" in str(run.failure_detail)
        assert get_run(session, without_limit).state == "queued"


@pytest.mark.parametrize("state", ["paused", "starting"])
def test_a_run_that_is_not_queued_is_not_overdue(database: Database, dataset_id: str, state: str) -> None:
    run_id = queued(database, dataset_id, queue_timeout_s=10)
    if state == "starting":
        claim(database)
    else:
        with database.begin() as session:
            run_actions.pause_run(session, run_id)
    let_pass(database, run_id, 11)
    assert overdue(database) == []


def test_a_run_that_is_queued_again_waits_anew(database: Database, dataset_id: str) -> None:
    run_id = queued(database, dataset_id, queue_timeout_s=10)
    let_pass(database, run_id, 11)
    held = claim(database)
    with database.begin() as session:
        lifecycle.release(session, run_id=run_id, attempt=held.attempt, why="draining")
    assert overdue(database) == []
    let_pass(database, run_id, 11)
    assert overdue(database) == [run_id]


def test_an_attempt_has_what_the_attempts_before_it_left_of_the_runs_time(database: Database, dataset_id: str) -> None:
    run_id = queued(database, dataset_id, timeout_s=100)
    for number, spent in enumerate((30.0, 45.0), start=1):
        held = claim(database)
        with database.begin() as session:
            lifecycle.release(session, run_id=run_id, attempt=number, why="draining")
            session.execute(
                update(AttemptRow)
                .where(AttemptRow.run_id == run_id, AttemptRow.attempt == number)
                .values(duration_s=spent)
            )
        assert held.timeout_s == 100

    assert claim(database).time_left_s == 25.0


def test_a_run_without_a_limit_has_no_time_left_to_count(database: Database, dataset_id: str) -> None:
    queued(database, dataset_id)
    held = claim(database)
    assert (held.timeout_s, held.time_left_s) == (None, None)


def test_every_step_of_an_experiment_has_its_terms(database: Database, dataset_id: str, trainers: FakeTrainers) -> None:
    spec = ExperimentSpec(seeds=[0, 1], priority=7, queue_timeout_s=50, timeout_s=60)
    with database.begin() as session:
        experiment = create_experiment(session, name="q", dataset_id=dataset_id, spec=spec, owner=ME)
    trainers.work()

    with database.read() as session:
        jobs = [get_job(session, job.id) for job in jobs_of_experiment(session, experiment.id)]
    assert len(jobs) == 4
    assert {(job.priority, job.queue, job.queue_timeout_s, job.timeout_s, job.owner) for job in jobs} == {
        (7, "cpu", 50.0, 60.0, "me")
    }
