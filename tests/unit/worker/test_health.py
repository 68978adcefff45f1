"""`python -m worker health`: exit codes and words, from the files that processes write about themselves."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from worker import health
from worker.health import NOT_RUNNING, UNHEALTHY, check_health
from worker.pulse import Pulse, PulseRecord, pulse_folder


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CELLGATE_DATA_DIR", str(tmp_path))
    return tmp_path


def pulse(data_dir: Path, **changes: object) -> None:
    """Write the file of this process, as it was just now unless `changes` say otherwise."""
    now = time.monotonic()
    values = {"role": "worker", "id": "host:1", "pid": os.getpid(), "every_s": 5.0, "at": now, "database_at": now}
    record = PulseRecord.model_validate({**values, **changes})
    path = pulse_folder(data_dir) / f"{record.role}-{record.pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json())


def test_a_worker_that_writes_and_reaches_its_database_is_well(data_dir: Path) -> None:
    beating = Pulse(data_dir, role="worker", process_id="host:1", every_s=5.0)
    beating.write(database_at=time.monotonic(), fork_server=True)

    assert check_health([]) == 0

    beating.remove()
    assert check_health([]) == NOT_RUNNING


@pytest.mark.parametrize(
    ("changes", "words", "live"),
    [
        ({"at": time.monotonic() - 60}, "heartbeat is", UNHEALTHY),
        ({"database_at": time.monotonic() - 60}, "has not reached the database", 0),
        ({"fork_server": False}, "fork server is dead", 0),
    ],
)
def test_what_is_wrong_is_said_and_a_probe_of_life_minds_the_heartbeat_alone(
    data_dir: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], words: str, live: int
) -> None:
    pulse(data_dir, **changes)

    assert check_health([]) == UNHEALTHY
    assert words in capsys.readouterr().out
    assert check_health(["--live"]) == live


def test_without_notifications_a_worker_is_degraded_and_well(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pulse(data_dir, broker="it does not answer")

    assert check_health([]) == 0
    assert "degraded: no notifications: it does not answer" in capsys.readouterr().out


def test_slow_heartbeats_are_given_three_of_their_own_length(data_dir: Path) -> None:
    pulse(data_dir, every_s=10.0, at=time.monotonic() - 25)

    assert check_health([]) == 0


def test_processes_that_are_gone_are_not_counted_and_the_next_one_removes_their_files(data_dir: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    pulse(data_dir, pid=gone.pid)
    # As after a restart of the host: the stamp is of another count of seconds.
    pulse(data_dir, at=time.monotonic() + 1e6)
    (pulse_folder(data_dir) / "worker-7.json").write_text("no record")

    assert check_health([]) == NOT_RUNNING

    Pulse(data_dir, role="worker", process_id="host:2", every_s=5.0)
    assert [path.name for path in pulse_folder(data_dir).iterdir()] == ["worker-7.json"]


def test_one_role_says_nothing_about_the_other(data_dir: Path) -> None:
    pulse(data_dir, role="reconciler")

    assert check_health([]) == NOT_RUNNING
    assert check_health(["--role", "reconciler"]) == 0


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CELLGATE_REDIS_URL", "amqp://me:secret@host")

    assert check_health([]) == health.BAD_SETTINGS
    shown = capsys.readouterr().err
    assert "redis_url" in shown
    assert "secret" not in shown


def test_the_question_imports_neither_celery_nor_a_database(data_dir: Path) -> None:
    pulse(data_dir)
    code = "import sys, worker.__main__ as m; code = m.main(['health']); print(code, *sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split("\n")

    code_and_modules = said[1].split()
    assert code_and_modules[0] == "0"
    assert not {"celery", "sqlalchemy", "redis", "torch"} & set(code_and_modules)
