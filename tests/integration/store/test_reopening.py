"""An experiment that failed for want of its data set waits again once that is prepared again; on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import FailureReason
from service.store.database import Database
from service.store.datasets import create_dataset, preparing_runs
from service.store.experiments import cancel_experiment, create_experiment, get_experiment
from service.store.retries import retry_run
from service.store.runs import events_of
from tests.fakes import FakeTrainers

LOST = (FailureReason.KILLED, -9)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database at the newest schema."""
    database = Database(database_url)
    yield database
    database.dispose()


def test_the_experiments_of_a_data_set_wait_again_once_it_is_prepared_again(database: Database, tmp_path: Path) -> None:
    # given two experiments that failed with their data set, one cancelled before that, and one over another data set
    trainers = FakeTrainers(database, tmp_path / "artifacts")
    trainers.failing[(Cell.PREPARE, 0)] = LOST
    with database.begin() as session:
        ours, other = (
            create_dataset(session, name=name, source="/f.jsonl", config=PrepareConfig()).id for name in ("a", "b")
        )
        spec = ExperimentSpec(seeds=[0, 1])
        first, second, given_up, elsewhere = (
            create_experiment(session, name="question", dataset_id=over, spec=spec).id
            for over in (ours, ours, ours, other)
        )
        cancel_experiment(session, given_up)
    trainers.work()
    everyone = (first, second, given_up, elsewhere)
    assert states(database, *everyone) == ["failed", "failed", "cancelled", "failed"]

    # when its preparation is tried again
    trainers.failing.clear()
    with database.begin() as session:
        retry_run(session, preparing_runs(session, [ours])[ours])

    # then exactly the two wait for it, with nothing left of their failure
    assert states(database, *everyone) == ["waiting", "waiting", "cancelled", "failed"]
    with database.read() as session:
        again = get_experiment(session, first)
        assert (again.failure_detail, again.finished_at) == (None, None)
        reported = events_of(session, experiment_id=first)[-1].body
    assert reported == {"from": "failed", "to": "waiting", "reason": "its data set is prepared again"}

    # and go on by themselves
    trainers.work()
    assert states(database, *everyone) == ["succeeded", "succeeded", "cancelled", "failed"]


def test_an_experiment_whose_data_set_fails_again_fails_again(database: Database, tmp_path: Path) -> None:
    trainers = FakeTrainers(database, tmp_path / "artifacts")
    trainers.failing[(Cell.PREPARE, 0)] = LOST
    with database.begin() as session:
        dataset_id = create_dataset(session, name="a", source="/f.jsonl", config=PrepareConfig()).id
        created = create_experiment(session, name="question", dataset_id=dataset_id, spec=ExperimentSpec()).id
    trainers.work()
    with database.begin() as session:
        retry_run(session, preparing_runs(session, [dataset_id])[dataset_id])
    assert states(database, created) == ["waiting"]

    trainers.work()

    assert states(database, created) == ["failed"]


def states(database: Database, *experiments: str) -> list[str]:
    with database.read() as session:
        return [get_experiment(session, experiment).state for experiment in experiments]
