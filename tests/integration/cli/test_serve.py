"""`cellgate serve`: the API in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment

NOBODY = "redis://127.0.0.1:1/0"
START_TIMEOUT_S = 30


def serve(folder: Path, *arguments: str, broker: str | None = NOBODY) -> "subprocess.CompletedProcess[str]":
    """What came of a service that cannot start."""
    return subprocess.run(
        [sys.executable, "-m", "cellgate", "serve", *arguments],
        cwd=folder,
        env=_environment(folder, broker),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )


def _environment(folder: Path, broker: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CELLGATE_")}
    ours = {"CELLGATE_DATA_DIR": str(folder)} | ({"CELLGATE_REDIS_URL": broker} if broker else {})
    # The package is found from wherever the command is started.
    return kept | ours | {"PYTHONPATH": str(Path(__file__).parents[3])}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The URL of a running service, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cellgate", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, env=_environment(folder, NOBODY)) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_up(url)
            yield url, process
        finally:
            process.kill()


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            httpx.get(f"{url}/livez").raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def folder(sqlite_url: str, tmp_path: Path) -> Path:
    """A data folder with a database at the newest schema."""
    assert sqlite_url == f"sqlite:///{tmp_path / 'cellgate.db'}"
    return tmp_path


# The app's own tests have the reasons of the slow ones too.
@pytest.mark.parametrize(
    ("reason", "arguments", "broker", "has_schema"),
    [
        pytest.param("run `cellgate migrate`", (), NOBODY, False, marks=pytest.mark.slow),
        pytest.param("CELLGATE_REDIS_URL is not set", (), None, True, marks=pytest.mark.slow),
        ("make one with `cellgate token new", ("--host", "0.0.0.0"), NOBODY, True),
    ],
)
def test_what_keeps_the_service_from_starting_is_reported_in_one_line_with_what_to_do(
    folder: Path, reason: str, arguments: tuple[str, ...], broker: str | None, has_schema: bool
) -> None:
    if not has_schema:
        (folder / "cellgate.db").unlink()

    ended = serve(folder, *arguments, broker=broker)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_port_that_is_taken_ends_the_service_with_an_exit_code(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = serve(folder, "--port", str(taken.getsockname()[1]))

    assert ended.returncode != 0
    assert "address already in use" in ended.stderr


def test_who_waits_for_a_change_is_answered_when_the_service_ends(folder: Path) -> None:
    database = Database(f"sqlite:///{folder / 'cellgate.db'}")
    with database.begin() as session:
        dataset = create_dataset(session, name="made", source="nowhere.jsonl", config=PrepareConfig(), graphs=None)
        spec = ExperimentSpec(seeds=[0])
        experiment = create_experiment(session, name="question", dataset_id=dataset.id, spec=spec).id
    database.dispose()
    answers: list[int] = []
    with serving(folder) as (url, process):
        path = f"{url}/v1/experiments/{experiment}/status"
        etag = httpx.get(path).headers["ETag"]

        def wait() -> None:
            answers.append(httpx.get(f"{path}?wait=60", headers={"If-None-Match": etag}, timeout=90).status_code)

        waiting = [threading.Thread(target=wait) for _ in range(5)]
        for one in waiting:
            one.start()
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        for one in waiting:
            one.join()
        ended = process.wait()

    assert answers == [304] * 5
    assert ended in (0, -signal.SIGTERM)
