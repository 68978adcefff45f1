"""In a folder full of modules with our names, no process of ours imports one of them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

TIMEOUT_S = 120
PACKAGES = ("service", "worker", "trainers", "migrations", "cellgate")
MODULES = ("logging", "typer", "json", "alembic", "torch")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose modules leave a marker when they are imported, and fail."""
    folder = tmp_path / "mine"
    folder.mkdir()
    trap = f"open({str(tmp_path / 'imported')!r}, 'a').write(__name__ + ' ')\nraise SystemExit(99)\n"
    for package in PACKAGES:
        (folder / package).mkdir()
        for name in ("__init__", "__main__", "env"):
            (folder / package / f"{name}.py").write_text(trap)
    for module in MODULES:
        (folder / f"{module}.py").write_text(trap)
    (tmp_path / "imported").write_text("")
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return an environment without our settings, and with this repository alone on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CELLGATE_", "PYTHONPATH"))}
    ours = {"CELLGATE_DATA_DIR": str(folder.parent / "var")}
    return {**kept, **ours, "PYTHONPATH": str(Path(__file__).parents[3])}


def run(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "cellgate", *arguments],
        cwd=folder,
        env={**environment(folder), **settings},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@contextmanager
def up(folder: Path, *, warm: bool) -> Iterator[str]:
    """Yield the URL of a whole service that was started in the folder."""
    log = folder.parent / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cellgate", "up", "--port", "0", "--slots", "1"],
            cwd=folder,
            env={**environment(folder), "CELLGATE_WARM_START": str(warm)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while (found := re.search(r"Cellgate is at (\S+)", log.read_text())) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        yield found.group(1)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S)


# A fork server imports for five seconds of CPU.
@pytest.mark.parametrize("warm", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_service_a_worker_and_a_trainer_that_are_started_there_work(hostile: Path, warm: bool) -> None:
    # given a file of functions beside the hostile modules
    rows = [{"func": f"int f{n}(int a) {{ return a + {n}; }}", "target": n % 2} for n in range(40)]
    (hostile / "functions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    # when the service is started there, and its worker lets a trainer prepare the file
    with up(hostile, warm=warm) as url:
        added = run(hostile, "--server", url, "dataset", "add", "functions.jsonl", "--wait")
        ready = httpx.get(f"{url}/readyz").status_code

    # then all of it works, and nothing of the folder was imported
    assert (added.returncode, ready) == (0, 200), added.stderr + (hostile.parent / "up.log").read_text()
    assert "is ready" in added.stdout
    assert (hostile.parent / "imported").read_text() == ""


@pytest.mark.slow
def test_commands_of_the_server_and_the_trainers_that_are_started_there_work(hostile: Path) -> None:
    ended = {
        "migrate": run(hostile, "migrate"),
        "token": run(hostile, "token", "new", "ci", "--scope", "read"),
        "serve": run(hostile, "serve"),
        "reconciler": run(hostile, "run-reconciler"),
        "worker": run(hostile, "run-worker"),
        "trainers": run(hostile, "trainers", "schema", "result"),
        "generate": run(hostile, "generate", "--functions", "4", "--out", "made.jsonl"),
    }

    codes = {name: done.returncode for name, done in ended.items()}
    # Those that need a broker say that none is set.
    expected = {"serve": 2, "reconciler": 2, "worker": 2}
    assert codes == {name: expected.get(name, 0) for name in ended}, {name: done.stderr for name, done in ended.items()}
    assert all("CELLGATE_REDIS_URL is not set" in ended[name].stderr for name in expected)
    assert len((hostile / "made.jsonl").read_text().splitlines()) == 4
    assert (hostile.parent / "imported").read_text() == ""
