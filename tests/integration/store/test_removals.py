"""Files of what was deleted go, whenever the reconciler is killed, and nothing that something uses ever does."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from cellgate.contract.api.resources import ResourceKind
from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from service.domain.errors import Conflict, InvalidSpec, PreconditionFailed
from service.settings import Settings
from service.store import removals
from service.store.artifact_store import LocalStore
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.deletion import delete_things, plan_deletion
from service.store.experiments import create_experiment
from service.store.jobs import create_job
from service.store.locks import AdvisoryLock, one_at_a_time
from service.store.metadata import change_metadata
from service.store.removals import forget_removals, queue_removals, run_folder_key
from service.store.tables import AttemptRow, DatasetRow, JobRow, RemovalRow, RunRow, UploadRow
from service.store.uploads import keep_upload
from tests.fakes import FakeTrainers
from tests.statements import until_one_waits_for_a_lock
from worker.housekeeping import Housekeeper


class Place:
    """A deployment with one ready data set."""

    def __init__(self, url: str, data_dir: Path) -> None:
        self.settings = Settings.model_validate({"data_dir": data_dir, "database_url": url})
        self.database = Database(url)
        self.trainers = FakeTrainers(self.database, self.settings.artifacts)
        with self.database.begin() as session:
            dataset = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
        self.dataset_id = dataset.id
        self.trainers.work()

    def experiment(self) -> str:
        """Return the id of a finished experiment."""
        with self.database.begin() as session:
            spec = ExperimentSpec(seeds=[0, 1])
            made = create_experiment(session, name="question", dataset_id=self.dataset_id, spec=spec)
        self.trainers.work()
        return made.id

    def job(self) -> str:
        """Return the id of a finished job with one run."""
        with self.database.begin() as session:
            made = create_job(session, cell=Cell.GNN, dataset_id=self.dataset_id, config={}, seeds=[0])
        self.trainers.work()
        return made.id

    def delete(self, kind: ResourceKind, row_id: str, *, cascade: bool = False) -> None:
        """Delete a thing."""
        with self.database.begin() as session:
            data_dir = self.settings.data_dir
            delete_things(session, plan_deletion(session, kind, row_id, cascade=cascade, data_dir=data_dir))

    def keep_house(self) -> int:
        """Remove files, as the reconciler does."""
        return Housekeeper(database=self.database, settings=self.settings).remove_files()

    def folders(self) -> set[str]:
        """Return the names of the runs' folders."""
        return {path.name for path in (self.settings.artifacts / "runs").iterdir()}

    def count(self, table: Any) -> int:
        """Return how many rows a table has."""
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    """A deployment on each database."""
    found = Place(database_url, tmp_path / "data")
    yield found
    found.database.dispose()


def die_at(step: str, *, before: bool) -> Callable[[Housekeeper], None]:
    """Return what makes a housekeeper's process die before or after its first call of a step."""

    def prepare(housekeeper: Housekeeper) -> None:
        owner = removals if step == "finish" else housekeeper._store
        done = getattr(owner, step)

        def dying(*arguments: Any, **options: Any) -> Any:
            if not before:
                done(*arguments, **options)
            os._exit(9)

        setattr(owner, step, dying)

    return prepare


STEPS = [(step, before) for step in ("withdraw", "purge", "finish") for before in (True, False)]


def test_files_go_wherever_the_reconciler_is_killed_and_nothing_else_does(place: Place) -> None:
    kept = place.folders()
    for step, before in STEPS:
        place.delete(ResourceKind.JOB, place.job())
        if step == "finish":
            place.keep_house()
            _let_time_pass(place)

        child = os.fork()
        if child == 0:
            # Connections are not to be shared with the parent.
            housekeeper = Housekeeper(database=Database(place.settings.database), settings=place.settings)
            die_at(step, before=before)(housekeeper)
            housekeeper.remove_files()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, (step, before)

        place.keep_house()
        assert place.folders() - {".removed"} == kept, (step, before)
        _let_time_pass(place)
        place.keep_house()
        assert place.count(RemovalRow) == 0, (step, before)
        trash = place.settings.artifacts / ".removed"
        assert not trash.exists() or list(trash.iterdir()) == [], (step, before)


def _let_time_pass(place: Place) -> None:
    with place.database.begin() as session:
        session.execute(update(RemovalRow).values(due_at=0.0))


def test_what_a_lost_worker_writes_after_the_removal_goes_at_the_second_look(place: Place) -> None:
    experiment = place.experiment()
    place.delete(ResourceKind.EXPERIMENT, experiment)
    gone = next(iter(_keys(place)))
    place.keep_house()
    late = place.settings.data_dir / gone / "attempt-1" / "events.jsonl"
    late.parent.mkdir(parents=True)
    late.write_text("too late\n")

    assert place.keep_house() == 0
    _let_time_pass(place)
    place.keep_house()

    assert not (place.settings.data_dir / gone).exists()
    assert place.count(RemovalRow) == 0


def _keys(place: Place) -> list[str]:
    with place.database.read() as session:
        return list(session.scalars(select(RemovalRow.key).order_by(RemovalRow.id)))


def test_a_removal_never_takes_what_a_row_names(place: Place) -> None:
    with place.database.begin() as session:
        attempt = session.scalars(select(AttemptRow)).one()
        path = f"{attempt.path}/checkpoint"
        session.execute(update(AttemptRow).values(checkpoint=path))
        below = [f"artifacts/{path}", f"artifacts/{attempt.path}/dataset", "artifacts/lr_cache"]
        asked = [run_folder_key(attempt.run_id), *below]
        queue_removals(session, asked)
    for key in asked:
        (place.settings.data_dir / key).mkdir(parents=True, exist_ok=True)
        (place.settings.data_dir / key / "kept").write_text("kept")

    place.keep_house()

    for key in asked:
        assert (place.settings.data_dir / key / "kept").read_text() == "kept", key


def test_a_deletion_that_fails_leaves_every_row_and_file(place: Place) -> None:
    experiment, runs = place.experiment(), place.count(RunRow)
    before = place.folders()

    with place.database.begin() as session:
        data_dir = place.settings.data_dir
        planned = plan_deletion(session, ResourceKind.EXPERIMENT, experiment, cascade=False, data_dir=data_dir)
        delete_things(session, planned)
        session.rollback()

    assert (place.count(RunRow), place.count(RemovalRow), place.keep_house()) == (runs, 0, 0)
    assert place.folders() == before


def test_what_was_planned_is_not_deleted_once_something_else_depends_on_it(place: Place) -> None:
    with place.database.read() as session:
        planned = plan_deletion(
            session, ResourceKind.DATASET, place.dataset_id, cascade=False, data_dir=place.settings.data_dir
        )
    with place.database.begin() as session:
        create_job(session, cell=Cell.GNN, dataset_id=place.dataset_id, config={}, seeds=[0])

    with pytest.raises(Conflict, match="changed at the same moment"), place.database.begin() as session:
        delete_things(session, planned)

    assert place.count(DatasetRow) == 1


def test_a_job_on_a_data_set_that_was_just_deleted_is_refused(place: Place) -> None:
    place.delete(ResourceKind.DATASET, place.dataset_id)

    with pytest.raises(InvalidSpec, match="there is no data set"), place.database.begin() as session:
        create_job(session, cell=Cell.GNN, dataset_id=place.dataset_id, config={}, seeds=[0])
    place.keep_house()

    assert place.folders() - {".removed"} == set()
    assert LocalStore(place.settings.data_dir).size("artifacts") == 0


def test_a_change_after_the_version_was_compared_keeps_the_thing(place: Place) -> None:
    job = place.job()
    with place.database.begin() as session:
        version = session.scalars(select(JobRow.version).where(JobRow.id == job)).one()
        data_dir = place.settings.data_dir
        planned = plan_deletion(session, ResourceKind.JOB, job, cascade=False, data_dir=data_dir, version=version)
    with place.database.begin() as session:
        change_metadata(session, JobRow, job, {"note": "keep it"})

    with pytest.raises(PreconditionFailed), place.database.begin() as session:
        delete_things(session, planned)

    with place.database.read() as session:
        assert session.get(JobRow, job) is not None


def test_a_removal_that_cannot_be_carried_out_does_not_keep_the_next_one_waiting(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "attempt-1").mkdir(parents=True)
    (place.settings.artifacts / "runs" / f"run_{'0' * 26}").symlink_to(outside)
    with place.database.begin() as session:
        queue_removals(session, [f"artifacts/runs/run_{'0' * 26}/attempt-1"])
    kept = place.folders()
    place.delete(ResourceKind.JOB, place.job())

    assert place.keep_house() == 2

    assert place.folders() - {".removed"} == kept
    assert (outside / "attempt-1").exists()
    _let_time_pass(place)
    place.keep_house()
    assert _keys(place) == [f"artifacts/runs/run_{'0' * 26}/attempt-1"]


def test_an_upload_that_was_deleted_is_not_taken_for_one_without_a_row(place: Place) -> None:
    upload = _upload(place)
    place.delete(ResourceKind.UPLOAD, upload)

    Housekeeper(database=place.database, settings=place.settings).measure()

    assert place.count(UploadRow) == 0
    place.keep_house()
    assert not (place.settings.data_dir / UPLOAD).exists()


UPLOAD = f"data/uploads/{'0' * 16}/made.jsonl"


def _upload(place: Place) -> str:
    """Store a file as the API does, and return its upload's id."""

    def settle() -> None:
        (place.settings.data_dir / UPLOAD).parent.mkdir(parents=True, exist_ok=True)
        (place.settings.data_dir / UPLOAD).write_text("{}")

    with place.database.begin() as session:
        kept = keep_upload(
            session, key=UPLOAD, name="made.jsonl", size_bytes=2, sha256="", owner_id=None, settle=settle
        )
        return kept.id


def test_storing_a_file_again_while_it_is_removed_waits_and_ends(postgres_url: str, tmp_path: Path) -> None:
    place = Place(postgres_url, tmp_path / "data")
    place.delete(ResourceKind.UPLOAD, _upload(place))
    removing = threading.Thread(target=place.keep_house)

    # An upload is about to drop the removal that the housekeeper finds at the same moment.
    with place.database.begin() as session:
        one_at_a_time(session, AdvisoryLock.UPLOADS)
        removing.start()
        until_one_waits_for_a_lock(place.database)
        # Raises where the housekeeper has locked the removal before it waits.
        session.execute(text("SET LOCAL lock_timeout = '5s'"))
        forget_removals(session, UPLOAD)
    removing.join(60)

    assert not removing.is_alive()
    assert (place.settings.data_dir / UPLOAD).exists()
    place.database.dispose()


def test_runs_of_one_job_that_are_deleted_at_the_same_moment_all_leave_its_seeds(
    postgres_url: str, tmp_path: Path
) -> None:
    place = Place(postgres_url, tmp_path / "data")
    with place.database.begin() as session:
        job = create_job(session, cell=Cell.GNN, dataset_id=place.dataset_id, config={}, seeds=[0, 1, 2])
    place.trainers.f1s = {name: [0.9] * 3 for name in place.trainers.f1s}
    place.trainers.work()
    with place.database.read() as session:
        chosen = select(RunRow.id).where(RunRow.job_id == job.id, RunRow.seed < 2)
        first, second = session.scalars(chosen.order_by(RunRow.seed)).all()
    other = threading.Thread(target=place.delete, args=(ResourceKind.RUN, second))

    with place.database.begin() as session:
        planned = plan_deletion(session, ResourceKind.RUN, first, cascade=True, data_dir=place.settings.data_dir)
        delete_things(session, planned)
        other.start()
        until_one_waits_for_a_lock(place.database)
    other.join(60)

    assert not other.is_alive()
    with place.database.read() as session:
        assert session.scalars(select(JobRow.seeds).where(JobRow.id == job.id)).one() == [2]
    place.database.dispose()
