"""API and workers of two releases side by side on the new schema, as `docs/how-to/version-skew.md` promises."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.store.database import migrate
from tests.api_client import FUNCTIONS
from tests.previous_release import REPOSITORY, REVISION, unpack_release

WAIT_S = 180.0
ROWS = [{"func": f"int f{n}(int a) {{ return a + {n}; }}", "target": n % 2} for n in range(len(FUNCTIONS) * 20)]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the release before."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is a copy of the sources without their history")
    folder = tmp_path_factory.mktemp("previous-release")
    unpack_release(folder)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One database, broker and data folder for processes of both releases."""

    folder: Path
    database_url: str
    redis_url: str

    @contextmanager
    def running(self, sources: Path, *command: str, **settings: str) -> Iterator[None]:
        """Run a process of a release until the block ends."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CELLGATE_")} | {
            "PYTHONPATH": str(sources),
            "CELLGATE_DATA_DIR": str(self.folder),
            "CELLGATE_DATABASE_URL": self.database_url,
            "CELLGATE_REDIS_URL": self.redis_url,
            "CELLGATE_WARM_START": "false",
            "CELLGATE_DEVICE": "cpu",
            **settings,
        }
        log = self.folder / f"{sources.name}-{command[0]}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", *command], cwd=sources, env=environment, stdout=output, stderr=output
            )
        try:
            yield
            assert process.poll() is None, log.read_text()[-3000:]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    @contextmanager
    def api(self, sources: Path) -> Iterator[httpx.Client]:
        """Run the API of a release and yield a client of it."""
        port = free_port()
        with (
            self.running(sources, "service", "serve", CELLGATE_PORT=str(port)),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            wait_for(lambda: answers(client))
            yield client


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


def wait_for(so: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if found := so():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come to that in time")


def prepare(client: httpx.Client, folder: Path, name: str) -> dict[str, Any]:
    """Have a data set prepared and return it once that has ended."""
    source = folder / "data" / f"{name}.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    made = client.post("/v1/datasets", json={"name": name, "source": str(source)})
    assert made.status_code == 202, made.text
    path = made.headers["Location"]

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(path).json()
        return found if found["state"] != "preparing" else None

    return dict(wait_for(ended))


@pytest.mark.slow
def test_api_and_workers_of_two_releases_work_together_on_the_new_schema(
    old: Path, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    # given a deployment of the release before
    folder = tmp_path / "data folder"
    (folder / "data").mkdir(parents=True)
    deployment = Deployment(folder=folder, database_url=empty_database_url, redis_url=redis_url)
    migrate(empty_database_url, REVISION)
    with deployment.api(old) as before:
        with deployment.running(old, "worker", "run"):
            wait_for(lambda: before.get("/v1/workers").json())

            # when the schema is migrated below it
            migrate(empty_database_url)
            by_old_worker = prepare(before, folder, "old-api-old-worker")

        # and when the new worker takes the place of the old one, and then the new API comes
        with deployment.running(REPOSITORY, "worker", "run"), deployment.api(REPOSITORY) as now:
            by_new_worker = prepare(before, folder, "old-api-new-worker")
            of_new_api = prepare(now, folder, "new-api-new-worker")
            changed = now.patch(f"/v1/datasets/{by_new_worker['id']}", json={"name": "renamed", "archived": True})
            gone = now.delete(f"/v1/datasets/{by_old_worker['id']}")

        # then the work of each was done, and the old API still answers what the new one has made and changed
        assert [made["state"] for made in (by_old_worker, by_new_worker, of_new_api)] == ["ready"] * 3, by_new_worker
        assert (changed.status_code, gone.status_code) == (200, 200)
        assert [(one["id"], one["name"]) for one in before.get("/v1/datasets").json()["items"]] == [
            (of_new_api["id"], "new-api-new-worker"),
            (by_new_worker["id"], "renamed"),
        ]
        assert before.get(f"/v1/datasets/{by_old_worker['id']}").status_code == 404
