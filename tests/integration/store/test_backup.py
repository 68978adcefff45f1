"""A backup restores everything into an empty place, of either database into either, or nothing at all."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.engine import make_url

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.files import sha256_of_file, write_json
from service.domain.principals import CONSOLE
from service.folder_check import folder_problems
from service.settings import Settings
from service.store.artifact_store import LocalStore, StoredFile
from service.store.audit import Actor, Entry, record
from service.store.backup import restore
from service.store.backup.container import BackupDamaged, BackupWriter, read_members
from service.store.backup.files import FileBackup
from service.store.backup.place import PlaceInUse, empty_place
from service.store.backup.restore import DecisionsDiffer, restore_backup
from service.store.backup.write import write_backup
from service.store.claims import claim_next
from service.store.database import Database, migrate
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment
from service.store.jobs import create_job
from service.store.lifecycle import mark_running
from service.store.recorder import record_checkpoint
from service.store.tables import AttemptRow, Base, DatasetRow, EventRow, RunRow, TokenRow
from service.store.workers import register_worker
from tests.fakes import FakeTrainers

LEFT_OUT = {"workers", "idempotency_keys", "storage", "removals"}
# What does not depend on the database that was backed up.
OF_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A service that was in use, or an empty place for one."""

    url: str
    data_dir: Path

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Return every row of every table that a backup has."""
        database = Database(self.url)
        with database.read() as session:
            found = {
                table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key.columns))]
                for table in Base.metadata.sorted_tables
                if table.name not in LEFT_OUT
            }
        database.dispose()
        return found

    def files(self) -> dict[str, str]:
        """Return the hash of every file below artifacts and uploads, by its path."""
        roots = [self.data_dir / "artifacts", self.data_dir / "data"]
        found = [path for root in roots for path in root.rglob("*") if path.is_file()]
        return {path.relative_to(self.data_dir).as_posix(): sha256_of_file(path) for path in found}


@pytest.fixture(scope="module")
def used_with_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place that was used, over SQLite; each test gets a copy."""
    folder = tmp_path_factory.mktemp("used")
    return use(f"sqlite:///{shutil.copy(sqlite_template, folder / 'cellgate.db')}", folder / "used")


@pytest.fixture
def used(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Place:
    """A place that was used, of the test's own."""
    data_dir = tmp_path / "used"
    if make_url(database_url).get_backend_name() != "sqlite":
        return use(database_url, data_dir)
    made: Place = request.getfixturevalue("used_with_sqlite")
    shutil.copytree(made.data_dir, data_dir)
    shutil.copy(str(make_url(made.url).database), str(make_url(database_url).database))
    database = Database(database_url)
    with database.begin() as session:
        moved = func.replace(DatasetRow.source, str(made.data_dir), str(data_dir))
        session.execute(update(DatasetRow).values(source=moved).execution_options(synchronize_session=False))
    database.dispose()
    return Place(url=database_url, data_dir=data_dir)


def use(database_url: str, data_dir: Path) -> Place:
    """Return a place with a decided experiment, a run at work with a checkpoint, an upload, a token and the cache."""
    artifacts = Settings(data_dir=data_dir).artifacts
    upload = data_dir / "data" / "uploads" / ("0" * 16) / "made.jsonl"
    upload.parent.mkdir(parents=True)
    upload.write_text("{}\n")
    write_json(artifacts / "lr_cache" / "rate.json", {"rate": 1e-3})
    database = Database(database_url)
    with database.begin() as session:
        register_worker(session, worker_id="w", queues=["cpu"], slots=1)
        dataset = create_dataset(session, name="made", source=str(upload), config=PrepareConfig())
        key = upload.relative_to(data_dir).as_posix()
        row = {"id": f"upl_{'0' * 26}", "name": "made.jsonl", "size_bytes": 3, "sha256": "sha256:0", "path": key}
        session.execute(insert(Base.metadata.tables["uploads"]).values(**row, created_at=1.0, version=1))
        token = {"id": f"tok_{'0' * 26}", "name": "ada", "prefix": "cg_", "hash": "h", "scope": "admin"}
        session.execute(insert(TokenRow).values(**token, created_at=1.0))
    trainers = FakeTrainers(database, artifacts)
    trainers.work()
    with database.begin() as session:
        create_experiment(session, name="question", dataset_id=dataset.id, spec=ExperimentSpec(seeds=[0, 1]))
    trainers.work()
    with database.begin() as session:
        create_job(session, cell=Cell.GNN, dataset_id=dataset.id, config={}, seeds=[0])
        claim = claim_next(session, worker="w", queues=["cpu"], lease_s=3600)
        assert claim is not None
        mark_running(session, run_id=claim.run_id, attempt=1)
        record_checkpoint(session, run_id=claim.run_id, attempt=1, path=f"{claim.path}/checkpoint", step=3)
    for name in ("current.json", "step-3/state.json"):
        write_json(artifacts / claim.path / "checkpoint" / name, {"folder": "step-3"})
    (artifacts / claim.path / "events.jsonl").write_text('{"n": 1}\n')
    database.dispose()
    return Place(url=database_url, data_dir=data_dir)


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place with nothing in it, on each database."""
    url = (
        f"sqlite:///{tmp_path / 'empty.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("empty_postgres_url")
    )
    return Place(url=url, data_dir=tmp_path / "empty")


def back_up(used: Place, file: Path, *, checkpoints: bool = True) -> Path:
    database = Database(used.url)
    write_backup(database, used.data_dir, file, checkpoints=checkpoints)
    database.dispose()
    return file


class RemovedMeanwhile(LocalStore):
    """A store whose files are removed between a look at their folder and at them."""

    def list(self, key: str) -> Iterator[StoredFile]:
        """Yield what is there no more."""
        for file in super().list(key):
            self._path(file.key).unlink()
            yield file


def test_a_cached_rate_that_goes_meanwhile_is_left_out_and_what_a_row_names_is_missed(tmp_path: Path) -> None:
    for name in ("lr_cache/rate.json", "runs/run_1/attempt-1/result.json"):
        write_json(tmp_path / "artifacts" / name, {})
    with (tmp_path / "backup").open("wb") as out:
        files = FileBackup(RemovedMeanwhile(tmp_path), BackupWriter(out), checkpoints=True)

        files.add_cache()
        with pytest.raises(FileNotFoundError):
            files.add_folder("artifacts/runs/run_1")

    assert files.listed == []


def test_a_backup_of_either_database_restores_every_row_and_file_into_either(
    used: Place, empty: Place, tmp_path: Path
) -> None:
    file = back_up(used, tmp_path / "backup")
    before, files = used.rows(), used.files()

    restored = restore_backup(empty.url, empty.data_dir, file)

    after = empty.rows()
    changed = {"runs", "attempts", "events", "jobs", "experiments", "datasets"}
    assert {name: rows for name, rows in after.items() if name not in changed} == {
        name: rows for name, rows in before.items() if name not in changed
    }
    assert {name: len(rows) for name, rows in after.items() if name != "events"} == {
        name: len(rows) for name, rows in before.items() if name != "events"
    }
    assert before["decisions"]
    assert after["decisions"] == before["decisions"]
    assert restored.decisions == len(before["decisions"])
    assert empty.files() == files
    assert restored.files == len(files)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not (empty.data_dir / ".restoring").exists()


@OF_SQLITE
def test_a_run_that_was_at_work_is_queued_again_with_its_checkpoint_and_new_events_follow_the_old(
    used: Place, empty: Place, tmp_path: Path
) -> None:
    restore_backup(empty.url, empty.data_dir, back_up(used, tmp_path / "backup"))

    database = Database(empty.url)
    with database.begin() as session:
        waiting = session.scalars(select(RunRow).where(RunRow.state == "queued")).one()
        assert (waiting.worker, waiting.lease_expires_at, waiting.recoveries) == (None, None, 0)
        attempt = session.scalars(select(AttemptRow).where(AttemptRow.run_id == waiting.id)).one()
        assert (attempt.outcome, (attempt.finished_at or 0) >= attempt.started_at) == ("lost", True)
        claim = claim_next(session, worker="new", queues=["cpu"], lease_s=60)
        assert claim is not None
        assert (claim.run_id, claim.attempt, claim.resume_from) == (waiting.id, 2, attempt.checkpoint)
        newest = session.scalars(select(EventRow).order_by(EventRow.id.desc()).limit(1)).one()
        assert newest.body["to"] == "starting"
        source = session.scalars(select(Base.metadata.tables["datasets"].c.source)).one()
    database.dispose()
    assert Path(source).is_relative_to(empty.data_dir.resolve())
    assert Path(source).is_file()


@OF_SQLITE
def test_without_checkpoints_a_run_starts_over(used: Place, tmp_path: Path) -> None:
    file = back_up(used, tmp_path / "small", checkpoints=False)
    place = Place(url=f"sqlite:///{tmp_path / 'small.db'}", data_dir=tmp_path / "place")

    restore_backup(place.url, place.data_dir, file)

    assert [name for name in used.files() if "checkpoint" in name]
    assert not [name for name in place.files() if "checkpoint" in name]
    assert {row.checkpoint for row in _attempts(place)} == {None}


def _attempts(place: Place) -> list[AttemptRow]:
    database = Database(place.url)
    with database.read() as session:
        found = list(session.scalars(select(AttemptRow)))
    database.dispose()
    return found


@OF_SQLITE
def test_a_backup_that_was_cut_or_changed_anywhere_is_refused_and_nothing_is_written(
    used: Place, tmp_path: Path
) -> None:
    content = back_up(used, tmp_path / "backup").read_bytes()
    end = content.rindex(b"end.json")
    spoilt = [content[: len(content) * part // 7] for part in range(7)] + [content[:end]]
    for at in range(600, end, max(1, end // 25)):
        # Padding between members says nothing.
        if content[at]:
            spoilt.append(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    file, place = tmp_path / "spoilt", Place(url=f"sqlite:///{tmp_path / 'new.db'}", data_dir=tmp_path / "place")
    assert len(spoilt) > 15

    for number, found in enumerate(spoilt):
        file.write_bytes(found)
        with pytest.raises(BackupDamaged):
            restore_backup(place.url, place.data_dir, file)
        assert not place.data_dir.exists(), number
    assert not (tmp_path / "new.db").exists()


@OF_SQLITE
def test_a_place_that_is_in_use_is_left_as_it_is(used: Place, tmp_path: Path) -> None:
    file = back_up(used, tmp_path / "backup")
    rows, files = used.rows(), used.files()

    with pytest.raises(PlaceInUse, match="is there already"):
        restore_backup(used.url, used.data_dir, file)
    with pytest.raises(PlaceInUse, match="has rows already"):
        restore_backup(used.url, tmp_path / "elsewhere", file)

    assert (used.rows(), used.files()) == (rows, files)


@OF_SQLITE
def test_a_decision_that_differs_leaves_the_place_empty(
    used: Place, empty: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = back_up(used, tmp_path / "backup")
    monkeypatch.setattr(restore, "verify_decisions", lambda _: {"exp_1/final": ["outcome is another one"]})

    with pytest.raises(DecisionsDiffer, match="decisions differ, the first one is"):
        restore_backup(empty.url, empty.data_dir, file)

    assert empty.files() == {}
    # One row, which comes with the schema.
    assert {name for name, rows in empty.rows().items() if rows} == {"uptime"}
    monkeypatch.undo()
    assert restore_backup(empty.url, empty.data_dir, file).decisions >= 1


LATER_STEPS = [pytest.param(step, marks=pytest.mark.slow) for step in ("_settle", "_compare", "move_into_place")]


@OF_SQLITE
@pytest.mark.parametrize("step", ["_unpack", *LATER_STEPS])
def test_a_restore_that_is_killed_at_any_step_is_taken_back_by_the_next_one(
    used: Place, tmp_path: Path, step: str
) -> None:
    file = back_up(used, tmp_path / "backup")
    place = Place(url=f"sqlite:///{tmp_path / 'new.db'}", data_dir=tmp_path / "place")
    child = os.fork()
    if child == 0:
        setattr(restore, step, _die_after(getattr(restore, step)))
        restore_backup(place.url, place.data_dir, file)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    restored = restore_backup(place.url, place.data_dir, file)

    assert place.files() == used.files()
    assert restored.decisions == len(place.rows()["decisions"]) >= 1


def _die_after(step: object) -> object:
    def run(*arguments: object, **options: object) -> None:
        step(*arguments, **options)  # type: ignore[operator]  # a function of the module
        os._exit(9)

    return run


def killed_while_restoring(place: Place, file: Path) -> None:
    """Leave a place as a restore does that is killed once its rows are stored."""
    child = os.fork()
    if child == 0:
        restore._unpack = _die_after(restore._unpack)  # type: ignore[assignment]  # in the child alone
        restore_backup(place.url, place.data_dir, file)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@OF_SQLITE
def test_a_dead_restore_into_one_database_never_empties_another(used: Place, tmp_path: Path) -> None:
    file = back_up(used, tmp_path / "backup")
    before = used.rows()
    place = Place(url=f"sqlite:///{tmp_path / 'new.db'}", data_dir=tmp_path / "place")
    killed_while_restoring(place, file)

    with pytest.raises(PlaceInUse, match="into another database"):
        restore_backup(used.url, place.data_dir, file)

    assert used.rows() == before
    assert [problem.fatal for problem in folder_problems(Settings(data_dir=place.data_dir))] == [True]
    restore_backup(place.url, place.data_dir, file)
    assert folder_problems(Settings(data_dir=place.data_dir)) == []


@OF_SQLITE
def test_a_place_is_in_use_once_its_restore_is_done_though_that_was_killed_while_it_tidied_up(
    used: Place, tmp_path: Path
) -> None:
    file = back_up(used, tmp_path / "backup")
    place = Place(url=f"sqlite:///{tmp_path / 'new.db'}", data_dir=tmp_path / "place")
    child = os.fork()
    if child == 0:
        Path.rename = _die_after(Path.rename)  # type: ignore[method-assign,assignment]  # in the child alone
        with empty_place(place.url, place.data_dir):
            migrate(place.url)
            (place.data_dir / "artifacts").mkdir()
            (place.data_dir / "artifacts" / "made").write_text("x")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    with pytest.raises(PlaceInUse, match="is there already"):
        restore_backup(place.url, place.data_dir, file)

    assert set(place.files()) == {"artifacts/made"}


def test_two_restores_into_one_place_never_work_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"

    with (
        empty_place(url, tmp_path / "place") as work,
        pytest.raises(PlaceInUse, match="another restore is at work"),
        empty_place(url, tmp_path / "place"),
    ):
        pytest.fail("both have the place")

    assert not work.exists()


@OF_SQLITE
@pytest.mark.parametrize("crafted", ["hash", "key", "path"])
def test_a_backup_that_was_made_to_reach_out_of_the_data_folder_is_refused(
    used: Place, tmp_path: Path, crafted: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    file = tmp_path / "crafted"
    with back_up(used, tmp_path / "backup").open("rb") as made, file.open("wb") as out:
        writer = BackupWriter(out)
        for member in read_members(made):
            content = member.content.read()
            if member.name.startswith("files/") and crafted in ("hash", "key"):
                line = (
                    ["artifacts/taken", 4, str(precious)] if crafted == "hash" else ["artifacts/../../x", 4, "0" * 64]
                )
                content = json.dumps(line).encode() + b"\n" + content
            if member.name.startswith("rows/uploads/") and crafted == "path":
                content = content.replace(b'"path": "data/uploads/', b'"path": "../')
            writer.add(member.name, content)
        writer.end()
    place = Place(url=f"sqlite:///{tmp_path / 'new.db'}", data_dir=tmp_path / "place")

    with pytest.raises(BackupDamaged):
        restore_backup(place.url, place.data_dir, file)

    assert precious.read_text() == "mine"
    assert (place.files(), place.rows()["runs"]) == ({}, [])


@OF_SQLITE
def test_artifacts_may_be_a_link_to_another_disk(used: Place, tmp_path: Path) -> None:
    place = Place(url=f"sqlite:///{tmp_path / 'new.db'}", data_dir=tmp_path / "place")
    disk = tmp_path / "disk"
    (disk / "runs").mkdir(parents=True)
    place.data_dir.mkdir()
    (place.data_dir / "artifacts").symlink_to(disk)

    restore_backup(place.url, place.data_dir, back_up(used, tmp_path / "backup"))

    assert (place.data_dir / "artifacts").is_symlink()
    kept = {name: found for name, found in used.files().items() if name.startswith("artifacts/")}
    assert {f"artifacts/{path.relative_to(disk)}" for path in disk.rglob("*") if path.is_file()} == set(kept)


@OF_SQLITE
def test_a_place_whose_things_were_all_deleted_keeps_its_audit_log(used: Place, tmp_path: Path) -> None:
    place = Place(url=f"sqlite:///{tmp_path / 'new.db'}", data_dir=tmp_path / "place")
    migrate(place.url)
    database = Database(place.url)
    with database.begin() as session:
        record(session, Actor(principal=CONSOLE), Entry(action="delete_run"))
    database.dispose()

    with pytest.raises(PlaceInUse, match="audit"):
        restore_backup(place.url, place.data_dir, back_up(used, tmp_path / "backup"))

    assert len(place.rows()["audit"]) == 1
