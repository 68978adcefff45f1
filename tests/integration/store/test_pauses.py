"""Pausing and resuming an experiment as a whole, on both databases."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select, text

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import ExperimentState, FailureReason
from service.domain.errors import Conflict
from service.store import lifecycle, pipeline
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.experiments import cancel_experiment, create_experiment, get_experiment
from service.store.jobs import resume_job
from service.store.pauses import pause_experiment, pause_leftovers, resume_experiment, resume_leftovers
from service.store.retries import retry_run
from service.store.run_actions import pause_run, resume_run
from service.store.tables import EventRow, RunRow
from tests.fakes import FakeTrainers

pytestmark = pytest.mark.alike


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of the test's own, on each of both."""
    found = Database(database_url)
    yield found
    found.dispose()


@pytest.fixture
def trainers(database: Database, tmp_path: Path) -> FakeTrainers:
    """Trainers with healthy results."""
    return FakeTrainers(database, tmp_path / "artifacts")


@pytest.fixture
def experiment(database: Database, trainers: FakeTrainers) -> str:
    """An experiment of two seeds whose pre-flight is queued."""
    with database.begin() as session:
        dataset = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig()).id
    trainers.work()
    with database.begin() as session:
        return create_experiment(session, name="q", dataset_id=dataset, spec=ExperimentSpec(seeds=[0, 1])).id


def pause(database: Database, experiment_id: str) -> None:
    with database.begin() as session:
        pause_experiment(session, experiment_id)


def resume(database: Database, experiment_id: str) -> None:
    with database.begin() as session:
        resume_experiment(session, experiment_id)


def reconcile(database: Database) -> None:
    for settle in (pause_leftovers, resume_leftovers):
        with database.begin() as session:
            settle(session)


def claimed(database: Database) -> Claim:
    with database.begin() as session:
        claim = claim_next(session, worker="w", queues=["cpu"], lease_s=3600)
        assert claim is not None
        lifecycle.mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
    return claim


def released(database: Database, claim: Claim) -> str:
    with database.begin() as session:
        return str(lifecycle.release(session, run_id=claim.run_id, attempt=claim.attempt, why="saved"))


def states(database: Database, experiment_id: str) -> list[str]:
    with database.read() as session:
        return [*session.scalars(select(RunRow.state).where(RunRow.experiment_id == experiment_id).order_by(RunRow.id))]


def is_paused(database: Database, experiment_id: str) -> bool:
    with database.read() as session:
        return get_experiment(session, experiment_id).paused


def test_a_paused_experiment_waits_and_goes_on_once_it_is_resumed(
    database: Database, trainers: FakeTrainers, experiment: str
) -> None:
    trainers.work(limit=1)
    for _twice in range(2):
        pause(database, experiment)

    assert trainers.work() == []
    assert states(database, experiment) == ["succeeded"] + ["paused"] * 4
    assert is_paused(database, experiment)

    for _twice in range(2):
        resume(database, experiment)
    trainers.work()

    assert not is_paused(database, experiment)
    assert set(states(database, experiment)) == {"succeeded"}
    with database.read() as session:
        kinds = select(EventRow.kind).where(EventRow.experiment_id == experiment, EventRow.run_id.is_(None))
        told = [kind for kind in session.scalars(kinds.order_by(EventRow.id)) if kind in ("paused", "resumed")]
    assert told == ["paused", "resumed"]


def test_a_step_that_starts_while_the_experiment_is_paused_begins_paused(
    database: Database, trainers: FakeTrainers, experiment: str
) -> None:
    # given a pre-flight that ends although it was asked to pause
    held = claimed(database)
    pause(database, experiment)
    trainers.end(held)

    assert states(database, experiment) == ["succeeded"] + ["paused"] * 4
    assert trainers.work() == []
    resume(database, experiment)
    assert len(trainers.work()) == 5


def test_an_experiment_that_waits_for_its_data_set_can_be_paused(database: Database, trainers: FakeTrainers) -> None:
    with database.begin() as session:
        dataset = create_dataset(session, name="later", source="/data/made.jsonl", config=PrepareConfig()).id
        waits = create_experiment(session, name="q", dataset_id=dataset, spec=ExperimentSpec(seeds=[0])).id
    pause(database, waits)

    # The data set is not the experiment's alone.
    assert trainers.work() == [(Cell.PREPARE, 0)]
    assert states(database, waits) == ["paused"]


def test_a_run_that_is_about_to_pause_when_its_experiment_is_resumed_goes_on_once_it_has_saved(
    database: Database, experiment: str
) -> None:
    held = claimed(database)
    pause(database, experiment)
    resume(database, experiment)
    assert states(database, experiment) == ["pausing"]

    assert released(database, held) == "paused"
    reconcile(database)

    assert states(database, experiment) == ["queued"]


@pytest.mark.parametrize("whole", [True, False])
def test_the_last_word_counts_where_a_run_is_paused_again_before_it_has_saved(
    database: Database, experiment: str, whole: bool
) -> None:
    held = claimed(database)
    pause(database, experiment)
    resume(database, experiment)
    if whole:
        pause(database, experiment)
    else:
        with database.begin() as session:
            pause_run(session, held.run_id)
    released(database, held)
    reconcile(database)

    assert states(database, experiment) == ["paused"]


def test_a_part_of_a_paused_experiment_does_not_go_on_alone(database: Database, experiment: str) -> None:
    pause(database, experiment)
    with database.read() as session:
        run, job = session.execute(select(RunRow.id, RunRow.job_id).where(RunRow.experiment_id == experiment)).one()

    with pytest.raises(Conflict, match="is paused as a whole"), database.begin() as session:
        resume_run(session, run)
    with pytest.raises(Conflict, match="is paused as a whole"), database.begin() as session:
        resume_job(session, job)


def test_a_retry_in_a_paused_experiment_waits_with_it(
    database: Database, trainers: FakeTrainers, experiment: str
) -> None:
    trainers.failing = {(Cell.TRANSFORMER, 0): (FailureReason.INTERNAL_ERROR, 70)}
    trainers.work(limit=2)
    pause(database, experiment)
    with database.begin() as session:
        failed = session.scalars(select(RunRow.id).where(RunRow.state == "failed")).one()
        successor = retry_run(session, failed)
    with database.read() as session:
        assert session.scalars(select(RunRow.state).where(RunRow.id == successor)).one() == "paused"


def test_an_ended_experiment_is_neither_paused_nor_resumed_and_a_cancelled_one_is_paused_no_more(
    database: Database, experiment: str
) -> None:
    pause(database, experiment)
    with database.begin() as session:
        cancel_experiment(session, experiment)

    assert states(database, experiment) == ["cancelled"]
    assert not is_paused(database, experiment)
    for act in (pause, resume):
        with pytest.raises(Conflict, match="already ended"):
            act(database, experiment)


def test_a_crash_amid_a_pause_leaves_all_or_nothing_of_it(
    database: Database, trainers: FakeTrainers, experiment: str
) -> None:
    trainers.work(limit=1)
    with suppress(RuntimeError), database.begin() as session:
        pause_experiment(session, experiment)
        raise RuntimeError("the process died")

    assert not is_paused(database, experiment)
    assert states(database, experiment) == ["succeeded"] + ["queued"] * 4


def test_what_started_in_the_moment_of_a_pause_is_paused_by_the_reconciler(postgres_url: str, tmp_path: Path) -> None:
    database = Database(postgres_url)
    trainers = FakeTrainers(database, tmp_path / "artifacts")
    with database.begin() as session:
        dataset = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig()).id
    trainers.work()
    with database.begin() as session:
        experiment = create_experiment(session, name="q", dataset_id=dataset, spec=ExperimentSpec(seeds=[0, 1])).id
    held = claimed(database)

    # given a pre-flight that has ended, and has started 51 and 52, in a transaction that is not committed
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as session:
            lifecycle.succeed(session, run_id=held.run_id, attempt=held.attempt, exit_code=0, result={})
            pipeline.after_run(session, run_id=held.run_id, artifacts=trainers.artifacts)
            # when the pause comes
            pausing = pool.submit(pause, database, experiment)
            _until_somebody_waits_for_a_lock(database)
        pausing.result(30)
    reconcile(database)

    # then nothing goes on
    assert states(database, experiment) == ["succeeded"] + ["paused"] * 4
    assert trainers.work() == []
    with database.read() as session:
        assert get_experiment(session, experiment).state == ExperimentState.TRAINING
    database.dispose()


def _until_somebody_waits_for_a_lock(database: Database) -> None:
    for _ in range(500):
        with database.read() as session:
            if session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
        time.sleep(0.01)
    pytest.fail("nobody waits for a lock")
