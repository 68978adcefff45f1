"""The real app in the test's own process, and a client of it."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

from service.api.description import Document
from service.app import create_app
from service.settings import Settings
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.lifecycle import mark_running
from service.store.tables import DatasetRow, EventRow, ExperimentRow, IdempotencyRow, JobRow, RunRow
from tests.fakes import HEALTHY, F1s, FakeTrainers

CREATED = (DatasetRow, ExperimentRow, JobRow, RunRow, EventRow, IdempotencyRow)
FUNCTIONS = [{"func": f"int f{n}(int a) {{ return a + {n}; }}", "target": n % 2} for n in range(4)]


@dataclass
class RecordingNotifier:
    """A notification that remembers who was notified."""

    notified: list[tuple[str, str]] = field(default_factory=list)
    reachable: bool = True

    def notify(self, run_id: str, queue: str) -> bool:
        """Remember the notification."""
        self.notified.append((run_id, queue))
        return self.reachable

    def problem(self) -> str | None:
        """What is wrong with the broker."""
        return None if self.reachable else "it does not answer"


@dataclass(frozen=True, kw_only=True)
class Api:
    """A running app and what lies behind it.

    Args:
        client: Asks the app; an error inside the app is a 500, as over a network.
        data: The folder that data sets may be read from.
        logs: What the app has logged.
    """

    client: TestClient
    database: Database
    settings: Settings
    notifier: RecordingNotifier
    data: Path
    logs: list[EventDict]

    def file(self, name: str = "functions.jsonl", rows: list[dict[str, Any]] | None = None) -> str:
        """Return the path of a new file of labelled functions."""
        path = self.data / name
        text = "".join(json.dumps(row) + "\n" for row in (FUNCTIONS if rows is None else rows))
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return str(path)

    def dataset(self) -> str:
        """Return the id of a data set that is still being prepared."""
        answer = self.client.post("/v1/datasets", json={"name": "made", "source": self.file()})
        return str(answer.json()["id"])

    def ready_dataset(self) -> str:
        """Return the id of a data set that is ready."""
        dataset_id = self.dataset()
        self.trainers().work()
        return dataset_id

    def experiment(self, dataset_id: str | None = None, **spec: Any) -> str:
        """Return the id of a new experiment over two seeds."""
        body = {"name": "question", "dataset": dataset_id or self.ready_dataset(), "seeds": [0, 1], **spec}
        return str(self.client.post("/v1/experiments", json=body).json()["id"])

    def trainers(self, f1s: F1s = HEALTHY) -> FakeTrainers:
        """Return trainers for what is queued."""
        return FakeTrainers(self.database, self.settings.artifacts, f1s)

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has."""
        with self.database.read() as session:
            return {
                table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0 for table in CREATED
            }


_documents: dict[bool, Document] = {}


def _reuse_document(app: FastAPI, settings: Settings) -> None:
    """Let the app take over the OpenAPI document of an earlier app of this process; it takes seconds to make."""
    app.state.document = _documents.setdefault(settings.requires_token, app.state.document)


@contextmanager
def running_api(settings: Settings) -> Iterator[Api]:
    """Yield the app, started, over the migrated database that the settings name."""
    notifier = RecordingNotifier()
    database = Database(settings.database)
    app = create_app(settings, notifier=notifier)
    _reuse_document(app, settings)
    with (
        capture_logs([merge_contextvars]) as logs,
        TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client,
    ):
        data = settings.data_dir / "data"
        yield Api(client=client, database=database, settings=settings, notifier=notifier, data=data, logs=logs)
    database.dispose()


def assert_refused(answer: Any, *, status: int, code: str, pointers: list[str]) -> dict[str, Any]:
    """Check that an answer is a whole problem document with these values, and return it."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), problem
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"] == problem["trace_id"] != ""
    assert sorted(mistake["pointer"] for mistake in problem["errors"]) == sorted(pointers), problem
    assert all(mistake["detail"] for mistake in problem["errors"])
    return problem


def get(api: Api, path: str) -> Any:
    """Return what a GET answers, which must be 200."""
    answer = api.client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def begin(api: Api) -> Claim:
    """Claim the next run and let it be running."""
    with api.database.begin() as session:
        claim = claim_next(session, worker="worker-1", queues=["cpu"], lease_s=60)
        assert claim is not None
        mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
    return claim
