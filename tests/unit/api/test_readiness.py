"""Readiness: whether the service can work, and what its response names as missing."""

from typing import Any

from sqlalchemy import text

from cellgate.contract.api.operations import Health
from service.settings import Settings
from service.store.workers import register_worker
from tests.api_client import Api, running_api


def found(api: Api, *, status: int) -> dict[str, Any]:
    """The checks, by name, of a probe that is answered with this status."""
    answer = api.client.get("/readyz")
    health = Health.model_validate_json(answer.content)
    assert (answer.status_code, health.ready) == (status, status == 200)
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
        "background": True,
    }


def test_the_service_lives_without_a_broker_but_is_not_ready(api: Api) -> None:
    api.notifier.reachable = False

    assert api.client.get("/livez").status_code == 200
    assert oks(found(api, status=503)) == {
        "database": True,
        "migrations": True,
        "broker": False,
        "workers": True,
        "background": True,
    }


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

    assert oks(checks) == {"database": True, "migrations": False, "broker": True, "workers": False, "background": False}
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
        "background": False,
    }
    assert "not known" in checks["workers"]["detail"]
    assert any(entry["event"] == "database_not_reached" for entry in api.logs)
