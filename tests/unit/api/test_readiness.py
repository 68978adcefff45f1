"""Readiness: whether the service can work, and what its response names as missing."""

import threading
from typing import Any

import pytest
from sqlalchemy import text, update

from cellgate.contract.api.operations import Health
from service.settings import Settings
from service.store.tables import WorkerRow
from service.store.workers import record_heartbeat, register_worker
from service.telemetry.health import HealthProbe
from tests.api_client import Api, RecordingNotifier, running_api
from tests.worker_harness import until


def found(api: Api, *, status: int) -> dict[str, Any]:
    """The checks, by name, of a probe that is answered with this status."""
    answer = api.client.get("/readyz")
    health = Health.model_validate_json(answer.content)
    assert (answer.status_code, health.ready) == (status, status == 200)
    assert health.failed == [name for name, check in health.checks if not check.ok]
    assert health.status == ("down" if status == 503 else "degraded" if health.failed else "ok")
    assert all(check["detail"] for check in answer.json()["checks"].values())
    return dict(answer.json()["checks"])


def oks(checks: dict[str, Any]) -> dict[str, bool]:
    """Whether each check is in order."""
    return {name: check["ok"] for name, check in checks.items()}


def test_a_service_with_everything_it_needs_is_ready(api: Api) -> None:
    assert oks(found(api, status=200)) == {
        "database": True,
        "migrations": True,
        "broker": True,
        "workers": True,
        "storage": True,
        "background": True,
    }


def test_without_a_broker_and_a_worker_the_service_lives_but_is_down_since_nothing_would_start(api: Api) -> None:
    api.notifier.reachable = False

    assert api.client.get("/livez").status_code == 200
    assert oks(found(api, status=503)) == {
        "database": True,
        "migrations": True,
        "broker": False,
        "workers": True,
        "storage": True,
        "background": True,
    }


def test_without_a_broker_the_service_is_degraded_while_a_worker_looks_for_runs_by_itself(api: Api) -> None:
    api.notifier.reachable = False
    with api.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=1)

    broker = found(api, status=200)["broker"]

    assert not broker["ok"]
    assert "it does not answer" in broker["detail"]
    assert "1 worker(s) look for runs" in broker["detail"]


@pytest.mark.parametrize("change", [{"draining": True}, {"listening": None}, {"seen_uptime_s": -1000.0}])
def test_a_worker_that_drains_or_waits_for_notifications_or_is_silent_moves_nothing_without_a_broker(
    api: Api, change: dict[str, Any]
) -> None:
    api.notifier.reachable = False
    with api.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=1)
        session.execute(update(WorkerRow).values(**change))

    assert not found(api, status=503)["broker"]["ok"]


def test_a_worker_that_hears_no_notifications_is_told_though_the_api_reaches_the_broker(api: Api) -> None:
    with api.database.begin() as session:
        for name, listening in (("worker-1", True), ("worker-2", False)):
            register_worker(session, worker_id=name, queues=["cpu"], slots=1)
            record_heartbeat(session, worker_id=name, listening=listening)

    broker = found(api, status=200)["broker"]

    assert "1 of 2 worker(s) do not hear" in broker["detail"]
    metrics = api.client.get("/metrics").text
    assert 'cellgate_health{status="degraded"} 1.0' in metrics
    assert "cellgate_workers_deaf 1.0" in metrics
    assert "cellgate_broker_up 1.0" in metrics


def test_a_probe_that_hangs_is_answered_for_in_time_by_one_thread_however_many_ask(api: Api) -> None:
    asked: list[int] = []
    hangs = threading.Event()

    class HangingNotifier(RecordingNotifier):
        def problem(self) -> str | None:
            asked.append(1)
            hangs.wait()
            return None

    probe = HealthProbe(api.database, HangingNotifier(), api.settings, limit_s=0.2)

    details = [probe.look().checks.broker.detail for _ in range(3)]

    assert all("does not answer within 0.2 s" in detail for detail in details)
    assert len(asked) == 1
    hangs.set()
    until(lambda: probe.look().checks.broker.ok, "the next answer is heard")


def test_a_missing_worker_is_reported_but_takes_no_api_out_of_service(api: Api) -> None:
    api.client.post("/v1/jobs", json={"cell": 52, "dataset": api.ready_dataset(), "seeds": [0, 1], "queue": "secret"})
    with api.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=1)

    workers = found(api, status=200)["workers"]

    assert not workers["ok"]
    assert workers["detail"].startswith("2 queued run(s) wait in 1 queue(s)")
    assert "secret" not in workers["detail"]
    with api.database.begin() as session:
        register_worker(session, worker_id="worker-2", queues=["secret"], slots=1)
    assert found(api, status=200)["workers"]["ok"]


def test_another_schema_is_not_ready(api: Api) -> None:
    with api.database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    checks = found(api, status=503)

    assert oks(checks) == {
        "database": True,
        "migrations": False,
        "broker": True,
        "workers": False,
        "storage": True,
        "background": False,
    }
    assert "cellgate migrate" in checks["migrations"]["detail"]


def test_a_database_that_is_away_is_not_ready_and_what_it_would_tell_is_not_known(
    settings: Settings,
) -> None:
    with running_api(settings) as api:
        assert api.client.get("/readyz").status_code == 200
        (settings.data_dir / "cellgate.db").write_bytes(b"no database any more" * 100)
        for leftover in ("cellgate.db-wal", "cellgate.db-shm"):
            (settings.data_dir / leftover).unlink(missing_ok=True)

        checks = found(api, status=503)

    assert oks(checks) == {
        "database": False,
        "migrations": False,
        "broker": True,
        "workers": False,
        "storage": True,
        "background": False,
    }
    assert "not known" in checks["workers"]["detail"]
    assert any(entry["event"] == "database_check_failed" for entry in api.logs)


def test_too_little_room_is_told_before_the_disk_is_full(settings: Settings) -> None:
    with running_api(settings.model_copy(update={"storage_reserve_bytes": 1 << 60})) as api:
        storage = found(api, status=200)["storage"]

    assert not storage["ok"]
    assert f"{1 << 60} in reserve" in storage["detail"]
