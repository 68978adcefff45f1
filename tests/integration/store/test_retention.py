"""Retention and pruning take what is old and what nothing rests on, on both databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from cellgate.contract.api.operations import StorageKind
from cellgate.contract.api.resources import ResourceKind
from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.files import write_json
from cellgate.contract.states import FailureReason
from service.domain.principals import NOBODY, Owner
from service.settings import Settings
from service.store import run_actions, storage
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment
from service.store.jobs import create_job, runs_of_jobs
from service.store.pruning import plan_pruning, prune
from service.store.retries import retry_run
from service.store.runs import metrics_of
from service.store.tables import (
    AttemptRow,
    DatasetRow,
    DecisionRow,
    ExperimentRow,
    IdempotencyRow,
    JobRow,
    MetricRow,
    PrincipalRow,
    RunRow,
    UploadRow,
)
from service.store.uploads import keep_upload, source_of
from tests.fakes import FakeTrainers
from worker.housekeeping import Housekeeper

pytestmark = pytest.mark.alike

ADA = Owner(id=f"pri_{'A' * 26}", name="ada")
LATER_S = 2e10
STEPS = 3000


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of the test's own, on each of both."""
    found = Database(database_url)
    yield found
    found.dispose()


@pytest.fixture
def trainers(database: Database, tmp_path: Path) -> FakeTrainers:
    """Trainers below the data folder."""
    return FakeTrainers(database, tmp_path / "artifacts")


@pytest.fixture
def dataset_id(database: Database, trainers: FakeTrainers) -> str:
    """A data set of Ada's, which is ready."""
    with database.begin() as session:
        made = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig(), owner=ADA)
    trainers.work()
    return made.id


def housekeeper(database: Database, folder: Path, **settings: Any) -> Housekeeper:
    return Housekeeper(database=database, settings=Settings.model_validate({"data_dir": folder, **settings}))


def jobs(database: Database, dataset_id: str, seeds: int) -> list[str]:
    """Return the runs of a new job, one per seed."""
    with database.begin() as session:
        job = create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=list(range(seeds)), owner=ADA)
        return [run.id for run in runs_of_jobs(session, [job.id])[job.id]]


def save_checkpoints(database: Database, folder: Path) -> None:
    """Give every attempt a checkpoint, row and file."""
    with database.begin() as session:
        for attempt in session.scalars(select(AttemptRow)).all():
            path = f"{attempt.path}/checkpoint"
            write_json(folder / "artifacts" / path / "current.json", {"folder": "step-1"})
            of_it = (AttemptRow.run_id == attempt.run_id, AttemptRow.attempt == attempt.attempt)
            session.execute(update(AttemptRow).where(*of_it).values(checkpoint=path))


def count(database: Database, *tables: Any) -> list[int]:
    with database.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_only_checkpoints_of_seeds_that_have_succeeded_go(
    database: Database, trainers: FakeTrainers, dataset_id: str, tmp_path: Path
) -> None:
    # given a seed that succeeded after a retry, one that failed, and one that waits
    retried, failed, _ = jobs(database, dataset_id, 3)
    for seed, run in enumerate((retried, failed)):
        trainers.failing[Cell.GNN, seed] = (FailureReason.COLLAPSE, 5)
        trainers.work_once()
        assert run
    trainers.failing.clear()
    with database.begin() as session:
        successor = retry_run(session, retried)
        run_actions.pause_runs(session, select(RunRow).where(RunRow.state == "queued", RunRow.id != successor))
    trainers.work()
    save_checkpoints(database, tmp_path)

    # when retention is off, and then on
    housekeeper(database, tmp_path).apply_retention()
    assert housekeeper(database, tmp_path).remove_files() == 0
    house = housekeeper(database, tmp_path, keep_checkpoints_days=0)
    house.apply_retention()
    house.remove_files()

    # then the failed seed keeps what a retry goes on from
    with database.read() as session:
        left = set(session.scalars(select(AttemptRow.run_id).where(AttemptRow.checkpoint.is_not(None))))
    assert left == {failed}
    found = {path.parts[-4] for path in (tmp_path / "artifacts" / "runs").rglob("checkpoint/current.json")}
    assert found == {failed}


def test_old_curves_are_thinned_and_keep_their_ends_and_extremes(
    database: Database, trainers: FakeTrainers, dataset_id: str, tmp_path: Path
) -> None:
    [run] = jobs(database, dataset_id, 1)
    values = [float((step * 7919) % 1000) for step in range(STEPS)]
    values[1234], values[2345] = 5000.0, -5000.0
    rows = [
        {"run_id": run, "key": "train/loss", "step": step, "attempt": 1, "value": value, "at": 1.0}
        for step, value in enumerate(values)
    ]
    short = [{**row, "key": "dev/f1"} for row in rows[:50]]
    with database.begin() as session:
        session.execute(insert(MetricRow), [*rows, *short])
    house = housekeeper(database, tmp_path, keep_metrics_days=0)
    house.apply_retention()
    assert count(database, MetricRow) == [STEPS + 50], "a run that has not ended keeps every point"
    trainers.work()

    house.apply_retention()
    house.apply_retention()

    with database.read() as session:
        dev, loss = metrics_of(session, run)
    assert (dev.key, len(dev.steps)) == ("dev/f1", 50)
    assert len(loss.steps) <= 400
    assert {0, 1234, 2345, STEPS - 1} <= set(loss.steps)
    assert loss.values == [values[step] for step in loss.steps]


def test_answers_to_keys_are_forgotten_after_a_day(database: Database, tmp_path: Path) -> None:
    with database.begin() as session:
        now = session.scalars(select(func.max(storage.now_s()))).one()
        for key, age_s in (("old", 90_000), ("young", 80_000)):
            row = {"key": key, "request_hash": "h", "status": 202, "body": {}, "created_at": now - age_s}
            session.execute(insert(IdempotencyRow).values(row))

    housekeeper(database, tmp_path).apply_retention()

    with database.read() as session:
        assert session.scalars(select(IdempotencyRow.key)).all() == ["young"]


def prune_all(database: Database, folder: Path, *, keep_decisions: bool, before_s: float = LATER_S) -> None:
    """Prune part after part, as `cellgate prune` does."""
    more = True
    while more:
        with database.begin() as session:
            planned = plan_pruning(session, before_s=before_s, keep_decisions=keep_decisions, data_dir=folder, part=2)
            prune(session, planned)
        more = planned.more
    housekeeper(database, folder).remove_files()


def test_pruning_keeps_decisions_with_what_they_rest_on_and_takes_the_rest(
    database: Database, trainers: FakeTrainers, dataset_id: str, tmp_path: Path
) -> None:
    with database.begin() as session:
        for _ in range(2):
            create_experiment(session, name="q", dataset_id=dataset_id, spec=ExperimentSpec(seeds=[0, 1]), owner=ADA)
        other = create_dataset(session, name="unused", source="/data/made.jsonl", config=PrepareConfig(), owner=ADA)
    jobs(database, dataset_id, 2)
    trainers.work()
    save_checkpoints(database, tmp_path)
    with database.begin() as session:
        row = {"id": f"upl_{'0' * 26}", "name": "u", "size_bytes": 1, "sha256": "s", "path": "data/uploads/h/u.jsonl"}
        session.execute(insert(UploadRow).values(**row, created_at=1.0, version=1))
    before = count(database, DecisionRow, RunRow)

    prune_all(database, tmp_path, keep_decisions=True, before_s=0.0)
    assert count(database, DecisionRow, RunRow) == before, "nothing is as old as that"
    prune_all(database, tmp_path, keep_decisions=True)

    with database.read() as session:
        assert (
            session.scalars(select(JobRow.id).where(JobRow.experiment_id.is_(None), JobRow.cell != "prepare")).all()
            == []
        )
        assert session.scalars(select(DatasetRow.id)).all() == [dataset_id]
        assert session.scalars(select(AttemptRow.run_id).where(AttemptRow.checkpoint.is_not(None))).all() == []
        kept = set(session.scalars(select(RunRow.id)))
    assert count(database, ExperimentRow, DecisionRow, UploadRow) == [2, before[0], 0]
    assert {path.parts[-3] for path in (tmp_path / "artifacts" / "runs").rglob("result.json")} == kept
    assert other.id != dataset_id

    prune_all(database, tmp_path, keep_decisions=False)
    assert count(database, ExperimentRow, DatasetRow, JobRow, RunRow) == [0, 0, 0, 0]
    assert [path for path in (tmp_path / "artifacts" / "runs").rglob("*") if path.is_file()] == []


def test_storage_is_measured_by_kind_and_owner_and_uploads_of_old_processes_get_rows(
    database: Database, trainers: FakeTrainers, dataset_id: str, tmp_path: Path
) -> None:
    [run] = jobs(database, dataset_id, 1)
    trainers.work()
    folder = tmp_path / "artifacts" / "runs" / run / "attempt-1"
    sizes = {
        "model/weights": 1000,
        "predictions/gate.arrow": 200,
        "checkpoint/state": 30,
        "events.jsonl": 4,
        "bundle/b": 5,
    }
    for name, size in sizes.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x" * size)
    upload = tmp_path / "data" / "uploads" / ("0" * 16) / "old.jsonl"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"y" * 77)
    with database.begin() as session:
        session.execute(insert(PrincipalRow).values(id=ADA.id, name=ADA.name, created_at=1.0))

    housekeeper(database, tmp_path).measure()

    with database.read() as session:
        found = {(part.kind.value, part.owner): part.size_bytes for part in storage.measured(session)}
        assert storage.measured_by_kind(session)[StorageKind.MODELS] == 1000
        [adopted] = session.scalars(select(UploadRow)).all()
    assert {key: found[key] for key in found if key[0] not in ("other", "database")} == {
        ("models", ADA): 1000,
        ("predictions", ADA): 200,
        ("checkpoints", ADA): 30,
        ("logs", ADA): 4,
        ("bundles", ADA): 5,
        ("uploads", NOBODY): 77,
    }
    assert found["database", NOBODY] > 0
    assert (adopted.name, adopted.size_bytes, adopted.path) == ("old.jsonl", 77, f"data/uploads/{'0' * 16}/old.jsonl")


def test_what_something_needs_does_not_keep_later_things_from_being_pruned(database: Database, tmp_path: Path) -> None:
    with database.begin() as session:
        kept = {}
        for name in ("a", "b"):
            key = f"data/uploads/{name * 16}/{name}.jsonl"
            options = {"name": name, "size_bytes": 1, "sha256": name, "owner_id": None, "settle": lambda: None}
            made = keep_upload(session, key=key, **options)  # type: ignore[arg-type]  # as many types as names
            kept[made.id] = source_of(made, tmp_path)
        needed, free = sorted(kept)
        create_dataset(session, name="waits", source=kept[needed], config=PrepareConfig())

    with database.begin() as session:
        found = plan_pruning(session, before_s=LATER_S, keep_decisions=True, data_dir=tmp_path, part=1)

    assert found.deletion.scope[ResourceKind.UPLOAD] == {free}
