"""What operators ask, on each kind of database: sums and counts are SQL, which differs."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from service.settings import Settings
from service.store.tables import AttemptRow, RunRow
from service.store.workers import register_worker
from tests.api_client import Api, begin, get, running_api


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """The app over a migrated database, once SQLite and once PostgreSQL."""
    settings = Settings.model_validate({"data_dir": tmp_path / "var", "database_url": database_url})
    with running_api(settings) as app:
        yield app


def test_queues_and_usage_are_reported_alike_on_each_database(api: Api) -> None:
    dataset = api.ready_dataset()
    api.client.post("/v1/jobs", json={"cell": 52, "dataset": dataset, "seeds": [0, 1, 2]})
    begin(api)
    with api.database.begin() as session:
        session.execute(update(AttemptRow).values(started_at=1000.0, finished_at=1060.0, duration_s=60.0))
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=4)

    [queue] = get(api, "/v1/queues")
    usage = get(api, "/v1/usage?by=cell&from=1970-01-01T00:16:40Z&to=1970-01-01T00:17:10Z")

    assert (queue.pop("oldest_wait_s") >= 0, queue) == (
        True,
        {"name": "cpu", "queued": 2, "running": 1, "paused": 0, "workers": 1, "slots": 4, "free_slots": 3},
    )
    assert usage["total"] == {"slot_seconds": 60.0, "runs": 2, "failed_share": 0.0}
    assert usage["groups"] == [
        {"key": "52", "owner_id": None, "slot_seconds": 30.0, "runs": 1, "failed_share": None},
        {"key": "prepare", "owner_id": None, "slot_seconds": 30.0, "runs": 1, "failed_share": 0.0},
    ]


def test_a_monitor_is_reported_alike_on_each_database(api: Api) -> None:
    dataset = api.ready_dataset()
    api.client.post("/v1/jobs", json={"cell": 52, "dataset": dataset, "seeds": [0, 1, 2]})
    begin(api)
    with api.database.begin() as session:
        session.execute(update(AttemptRow).values(started_at=1000.0, finished_at=1060.0, duration_s=60.0))
        session.execute(update(RunRow).values(created_at=900.0, started_at=907.0))

    reported = measured(api)

    for line in (
        'cellgate_queue_runs{queue="cpu",state="queued"} 2.0',
        'cellgate_run_duration_seconds_bucket{cell="prepare",le="30",state="succeeded"} 0.0',
        'cellgate_run_duration_seconds_bucket{cell="prepare",le="60",state="succeeded"} 1.0',
        'cellgate_run_duration_seconds_sum{cell="prepare",state="succeeded"} 60.0',
        'cellgate_run_wait_seconds_bucket{le="5",queue="cpu"} 0.0',
        'cellgate_run_wait_seconds_bucket{le="15",queue="cpu"} 4.0',
        "cellgate_lease_takeovers_total 0.0",
        "cellgate_leases 1.0",
    ):
        assert line in reported


def measured(api: Api) -> list[str]:
    """Return what a monitor reads, once the database has answered in time: on a busy machine it may not at first."""
    for _ in range(10):
        lines = api.client.get("/metrics").text.splitlines()
        # It is up before its schema has been looked at, and only then are its runs counted.
        if any(line.startswith("cellgate_leases ") for line in lines):
            return lines
        time.sleep(1)
    raise AssertionError(lines)
