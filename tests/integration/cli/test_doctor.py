"""`cellgate doctor`: every check is made, whatever the others find, with the service down."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.commands.doctor_checks import DoctorFinding, examine
from service.store.database import Database, migrate
from service.store.workers import record_room, register_worker
from tests.full_disks import small_disk

CHECKS = ["settings", "folders", "space", "database", "broker", "clocks", "GPUs"]


def doctor(folder: Path, **environment: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "cellgate", "doctor", "--json", "--data-dir", str(folder)],
        env={**os.environ, "CELLGATE_DEVICE": "cpu", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def found(folder: Path) -> dict[str, list[DoctorFinding]]:
    findings = examine(folder)
    return {one.check: [other for other in findings if other.check == one.check] for one in findings}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a migrated database."""
    for name in ("CELLGATE_DATABASE_URL", "CELLGATE_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CELLGATE_DEVICE", "cpu")
    monkeypatch.setenv("CELLGATE_STORAGE_RESERVE_BYTES", "1000000")
    migrate(f"sqlite:///{tmp_path / 'cellgate.db'}")
    return tmp_path


def test_a_sound_service_is_called_so_without_a_server(folder: Path) -> None:
    code, answer = doctor(folder)

    assert (code, answer["ok"]) == (0, True), answer
    assert {check["check"] for check in answer["checks"]} == {*CHECKS, "schema", "workers"}


def test_everything_is_checked_even_where_the_first_checks_fail(tmp_path: Path) -> None:
    (tmp_path / "cellgate.db").write_bytes(b"no database" * 1_000)
    (tmp_path / "artifacts").write_text("no folder")

    code, answer = doctor(tmp_path, CELLGATE_SLOTS="none", CELLGATE_REDIS_URL="redis://127.0.0.1:1/0")

    failed = [check for check in answer["checks"] if check["status"] == "fail"]
    assert code == 11
    assert [check["check"] for check in failed] == ["settings", "folders", "database", "broker"]
    assert all(check["fix"] for check in failed)
    assert {check["check"] for check in answer["checks"]} >= set(CHECKS)


def test_a_missing_database_is_told_and_none_is_made(tmp_path: Path) -> None:
    (database,) = found(tmp_path)["database"]

    assert database.status == "fail"
    assert list(tmp_path.iterdir()) == []


def test_workers_of_another_release_without_room_or_gone_are_told(folder: Path) -> None:
    database = Database(f"sqlite:///{folder / 'cellgate.db'}")
    with database.begin() as session:
        register_worker(session, worker_id="old", queues=["cpu"], slots=1)
        register_worker(session, worker_id="full", queues=["cpu"], slots=1)
        record_room(session, worker_id="full", has_room=False)
    database.dispose()

    full, old = found(folder)["workers"]

    assert (full.status, old.status) == ("warn", "warn")
    assert "reserve" in full.fix
    assert "release" in old.fix


def test_too_little_room_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLGATE_STORAGE_RESERVE_BYTES", str(1 << 60))

    assert {one.status for one in found(folder)["space"]} == {"fail"}


@pytest.mark.parametrize("command", [["migrate"], ["up", "--no-worker", "--port", "0"], ["run-worker"]])
def test_a_damaged_database_is_told_in_one_line_by_every_command(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "cellgate.db").write_bytes(b"no database" * 1_000)

    done = run_in(tmp_path, command)

    assert done.returncode == (4 if command[0].startswith("run-") else 11), done.stderr
    assert "the database is damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_to_is_told_at_the_start(folder: Path) -> None:
    with small_disk(folder / "artifacts", size_bytes=1 << 20) as artifacts:
        subprocess.run(["mount", "-o", "remount,ro", str(artifacts)], check=True)

        done = run_in(folder, ["serve"])

    assert done.returncode == 11, done.stderr
    assert f"{artifacts}: cannot be written to (Read-only file system)" in done.stderr
    assert "Traceback" not in done.stderr


def run_in(folder: Path, command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cellgate", *command],
        env={**os.environ, "CELLGATE_DATA_DIR": str(folder), "CELLGATE_REDIS_URL": "redis://127.0.0.1:1/0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
