"""Cancelling an experiment while its runs end and its pipeline moves on, on PostgreSQL."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import RunState
from service.domain.errors import Conflict
from service.store import lifecycle, pipeline
from service.store.claims import claim_next
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.experiments import cancel_experiment, cancel_leftovers, create_experiment, get_experiment
from service.store.tables import ExperimentRow, JobRow, RunRow
from tests.fakes import FakeTrainers
from tests.lapsed_leases import expire_lapsed

FEW, MANY = 40, 200
AT_ONCE = 8
UNENDED = [state for state in RunState if not state.terminal]


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """An empty PostgreSQL database at the newest schema."""
    database = Database(postgres_url)
    yield database
    database.dispose()


@pytest.fixture
def trainers(database: Database, tmp_path: Path) -> FakeTrainers:
    """Trainers with healthy results."""
    return FakeTrainers(database, tmp_path / "artifacts")


@pytest.fixture
def dataset_id(database: Database, trainers: FakeTrainers) -> str:
    """A data set that is ready."""
    with database.begin() as session:
        made = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
    trainers.work()
    return made.id


def submit(database: Database, dataset_id: str) -> str:
    with database.begin() as session:
        spec = ExperimentSpec(seeds=[0, 1])
        return create_experiment(session, name="q", dataset_id=dataset_id, spec=spec).id


def cancel(database: Database, experiment_id: str) -> None:
    with database.begin() as session:
        cancel_experiment(session, experiment_id)
    with database.begin() as session:
        cancel_leftovers(session)


def until_somebody_waits_for_a_lock(database: Database) -> None:
    for _ in range(500):
        with database.read() as session:
            if session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
        time.sleep(0.01)
    pytest.fail("nobody waits for a lock")


def test_a_cancel_that_comes_while_the_last_run_of_a_step_ends_cancels_the_step_that_this_starts(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    # given a pre-flight that has ended, and has started 51 and 52, in a transaction that is not committed
    experiment_id = submit(database, dataset_id)
    with database.begin() as session:
        held = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
        assert held is not None
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as session:
            lifecycle.succeed(session, run_id=held.run_id, attempt=held.attempt, exit_code=0, result={})
            pipeline.after_run(session, run_id=held.run_id, artifacts=trainers.artifacts)
            # when the cancel comes
            cancelling = pool.submit(cancel, database, experiment_id)
            until_somebody_waits_for_a_lock(database)
        cancelling.result(30)

    # then nothing of what was started is left
    with database.read() as session:
        runs = session.scalars(select(RunRow).where(RunRow.experiment_id == experiment_id)).all()
        assert get_experiment(session, experiment_id).state == "cancelled"
    assert sorted(run.state for run in runs) == ["cancelled"] * 4 + ["succeeded"]
    assert trainers.work() == []


def test_a_cancel_between_a_runs_end_and_the_pipelines_next_step_lets_nothing_start(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    experiment_id = submit(database, dataset_id)
    with database.begin() as session:
        held = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
        assert held is not None
        lifecycle.succeed(session, run_id=held.run_id, attempt=held.attempt, exit_code=0, result={})

    cancel(database, experiment_id)
    with database.begin() as session:
        pipeline.after_run(session, run_id=held.run_id, artifacts=trainers.artifacts)
        pipeline.advance(session, experiment_id=experiment_id, artifacts=trainers.artifacts)

    with database.read() as session:
        assert session.scalars(select(func.count()).select_from(JobRow)).one() == 2
        assert get_experiment(session, experiment_id).state == "cancelled"


@pytest.mark.parametrize("rounds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_many_cancels_while_runs_are_claimed_and_end_neither_hang_nor_leave_anything_behind(
    database: Database, dataset_id: str, trainers: FakeTrainers, rounds: int
) -> None:
    ended = threading.Event()
    cancels: list[str] = []

    def work(_number: int) -> None:
        while not ended.is_set():
            if not trainers.work_once():
                time.sleep(0.002)

    def ask(number: int) -> None:
        rng = random.Random(number)
        for _round in range(rounds // AT_ONCE):
            experiment_id = submit(database, dataset_id)
            time.sleep(rng.uniform(0.0, 0.15))
            try:
                cancel(database, experiment_id)
            except Conflict:
                continue
            cancels.append(experiment_id)

    def reconcile() -> None:
        while not ended.is_set():
            with database.begin() as session:
                expire_lapsed(session)
            with database.begin() as session:
                cancel_leftovers(session)
            time.sleep(0.02)

    with ThreadPoolExecutor(AT_ONCE + 4) as pool:
        others = [pool.submit(work, number) for number in range(3)] + [pool.submit(reconcile)]
        try:
            list(pool.map(ask, range(AT_ONCE)))
        finally:
            ended.set()
        for other in others:
            other.result(60)

    with database.begin() as session:
        cancel_leftovers(session)
    with database.read() as session:
        cancelled = select(ExperimentRow.id).where(ExperimentRow.state == "cancelled")
        assert set(session.scalars(cancelled)) == set(cancels)
        left = select(RunRow).where(RunRow.experiment_id.in_(cancels), RunRow.state.in_(UNENDED))
        assert session.scalars(left).all() == []
    assert len(cancels) > rounds // 2
