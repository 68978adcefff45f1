"""What a monitor reads: parsed by Prometheus' own reader, against figures by hand."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, delete, event, update

from cellgate.contract.api.operations import StorageKind
from cellgate.contract.states import FailureReason
from service.settings import Settings
from service.store.database import Database
from service.store.lifecycle import fail
from service.store.storage import Part, store_measured
from service.store.tables import AttemptRow, RunRow, WorkerRow
from service.store.workers import ALIVE_S, register_worker
from service.telemetry import metrics_collector as measures
from service.telemetry.metrics import Telemetry
from tests.api_client import Api, RecordingNotifier, begin, running_api
from tests.lapsed_leases import expire_lapsed

LATENCY = "cellgate_http_request_duration_seconds"


class Measures:
    """One answer of /metrics."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for supervisor in text_string_to_metric_families(text) for sample in supervisor.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the only sample with this name and these labels."""
        [found] = self.all(name, **labels)
        return found

    def all(self, name: str, **labels: str) -> list[float]:
        """Return the samples with this name and, among others, these labels."""
        return [
            sample.value
            for sample in self._samples
            if sample.name == f"cellgate_{name}" and labels.items() <= sample.labels.items()
        ]

    def routes(self) -> set[tuple[str, str, str]]:
        """Return route, method and status of everything that was answered."""
        labels = [sample.labels for sample in self._samples if sample.name == f"{LATENCY}_count"]
        return {(found["route"], found["method"], found["status"]) for found in labels}


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are never older than the request."""
    monkeypatch.setattr("service.telemetry.metrics.SHARED_S", 0.0)
    monkeypatch.setattr(measures, "KEPT_S", 0.0)
    monkeypatch.setattr(measures, "KEPT_PER_S_OF_WORK", 0.0)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement that any database of this process was sent."""
    sent: list[str] = []

    def remember(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    yield sent
    event.remove(Engine, "before_cursor_execute", remember)


def measured(api: Api) -> Measures:
    """What a monitor reads now."""
    answer = api.client.get("/metrics")
    assert (answer.status_code, answer.headers["Content-Type"][:25]) == (200, "text/plain; version=0.0.4")
    return Measures(answer.text)


def job(api: Api, **spec: Any) -> list[str]:
    """Ids of the runs of a new job over a new data set, which is ready."""
    body = {"cell": 52, "dataset": api.ready_dataset(), **spec}
    return [run["id"] for run in api.client.post("/v1/jobs", json=body).json()["runs"]]


def test_a_request_is_counted_under_its_route_and_never_under_its_path(api: Api) -> None:
    for path in (
        "/v1/runs/run_" + "0" * 26,
        "/v1/runs/run_" + "1" * 26,
        "/v1/runs/1",
        "/nowhere/1",
        "/v1/runs?limit=1",
    ):
        api.client.get(path)
    api.client.request("FOO", "/v1/runs")

    found = measured(api)

    assert found.routes() == {
        ("/v1/runs/{run_id}", "GET", "4xx"),
        ("other", "GET", "4xx"),
        ("/v1/runs", "GET", "2xx"),
        ("/v1/runs", "other", "4xx"),
    }
    counted = "http_request_duration_seconds"
    assert found(f"{counted}_count", route="/v1/runs/{run_id}") == 3
    assert found(f"{counted}_bucket", route="/v1/runs/{run_id}", le="+Inf") == 3
    assert 0 < found(f"{counted}_sum", route="/v1/runs/{run_id}") < 60


def test_who_waits_for_a_change_does_not_count_as_slow(api: Api) -> None:
    [run] = job(api, seeds=[0])
    api.client.get(f"/v1/runs/{run}?wait=0")

    assert ("/v1/runs/{run_id}", "GET", "2xx") not in measured(api).routes()


def test_a_request_without_the_right_token_is_counted_too(settings: Settings) -> None:
    token = "correct-horse-battery-staple-and-cart"
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": token})) as api:
        assert api.client.get("/metrics").status_code == 401
        answer = api.client.get("/metrics", headers={"Authorization": f"Bearer {token}"})

    assert ("other", "GET", "4xx") in Measures(answer.text).routes()


def test_queues_and_leases_are_counted_by_hand_too(api: Api) -> None:
    job(api, seeds=[0, 1, 2])
    begin(api)
    with api.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=4)
        register_worker(session, worker_id="worker-2", queues=["cpu"], slots=4)
        gone = update(WorkerRow).where(WorkerRow.id == "worker-2")
        session.execute(gone.values(seen_uptime_s=-ALIVE_S - 1))
        session.execute(update(RunRow).where(RunRow.state == "queued").values(queued_at=RunRow.queued_at - 100))

    found = measured(api)

    assert (found("queue_runs", queue="cpu", state="queued"), found("queue_runs", state="running")) == (2, 1)
    assert found("queue_runs", state="paused") == 0
    assert 100 <= found("queue_oldest_wait_seconds", queue="cpu") < 200
    assert (found("queue_slots", queue="cpu"), found("queue_free_slots", queue="cpu")) == (4, 3)
    assert (found("leases"), found("workers", state="serving"), found("workers", state="silent")) == (1, 1, 1)
    assert (found("database_up"), found("broker_up")) == (1, 1)


def test_run_times_are_those_of_all_attempts_of_a_run(api: Api) -> None:
    short, long, _ = job(api, seeds=[0, 1, 2])
    with api.database.begin() as session:
        session.execute(delete(AttemptRow))
        for run, attempt, seconds in ((short, 1, 7.0), (long, 1, 40.0), (long, 2, 2000.0)):
            begun = {"worker": "w", "path": "", "started_at": 100.0, "finished_at": 100.0 + seconds}
            session.add(AttemptRow(run_id=run, attempt=attempt, **begun))
        session.execute(update(RunRow).where(RunRow.id.in_([short, long])).values(state="succeeded"))

    found = measured(api)

    times = {
        bound: found("run_duration_seconds_bucket", cell="52", le=bound) for bound in ("10", "900", "3600", "+Inf")
    }
    assert times == {"10": 1, "900": 1, "3600": 2, "+Inf": 2}
    assert found("run_duration_seconds_sum", cell="52", state="succeeded") == 2047
    assert found("run_duration_seconds_sum", cell="prepare") == 0


def test_waits_are_from_the_creation_to_the_first_worker(api: Api) -> None:
    early, late, _ = job(api, seeds=[0, 1, 2], queue="gpu")
    with api.database.begin() as session:
        for run, seconds in ((early, 3.0), (late, 70.0)):
            values = {"created_at": 100.0, "started_at": 100.0 + seconds}
            session.execute(update(RunRow).where(RunRow.id == run).values(values))

    found = measured(api)

    assert [found("run_wait_seconds_bucket", queue="gpu", le=bound) for bound in ("1", "5", "60", "300")] == [
        0,
        1,
        1,
        2,
    ]
    assert (found("run_wait_seconds_count", queue="gpu"), found("run_wait_seconds_sum", queue="gpu")) == (2, 73)


def test_failures_are_counted_by_reason_and_takeovers_by_lost_leases(api: Api) -> None:
    job(api, seeds=[0, 1, 2])
    for reason in (FailureReason.COLLAPSE, FailureReason.TIMEOUT):
        claim = begin(api)
        with api.database.begin() as session:
            fail(session, run_id=claim.run_id, attempt=claim.attempt, reason=reason, detail="flat")
    begin(api)
    assert measured(api)("lease_takeovers_total") == 0
    with api.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.state == "running").values(lease_expires_at=0.0))
        expire_lapsed(session)

    found = measured(api)

    assert found("run_failures_total", cell="52", reason="collapse") == 1
    assert found("run_failures_total", cell="52", reason="timeout") == 1
    assert found("run_duration_seconds_count", cell="52", state="failed") == 2
    assert (found("lease_takeovers_total"), found("leases")) == (1, 0)


def test_ten_monitors_at_once_cost_as_much_as_one(
    api: Api, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "KEPT_S", 600.0)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: api.client.get("/metrics"), range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert sum("attempts.outcome" in statement for statement in statements) == 1


def test_a_database_that_is_away_is_reported_and_everything_of_the_process_stays(settings: Settings) -> None:
    away = Database("postgresql+psycopg://127.0.0.1:1/nowhere", patience_s=0)
    telemetry = Telemetry(away, RecordingNotifier(reachable=False), settings)
    telemetry.answered(route="/v1/runs", method="GET", status=503, took_s=0.1)

    found = Measures(telemetry.page("").content.decode())

    assert (found("database_up"), found("broker_up"), found.all("leases")) == (0, 0, [])
    assert found.routes() == {("/v1/runs", "GET", "5xx")}


def test_who_asks_for_open_metrics_is_given_them(api: Api) -> None:
    job(api, seeds=[0])
    begin(api)

    answer = api.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    names = {supervisor.name for supervisor in open_metrics(answer.text)}  # type: ignore[no-untyped-call]  # ships no types
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert {LATENCY, "cellgate_run_failures", "cellgate_lease_takeovers", "cellgate_queue_runs"} <= names


def test_stored_bytes_are_told_by_kind_as_they_were_measured_last(api: Api) -> None:
    with api.database.begin() as session:
        parts = [
            Part(kind=StorageKind.MODELS, owner=owner, size_bytes=size, files=1)
            for owner, size in (("ada", 1000), ("eve", 500))
        ]
        store_measured(session, parts)

    measures = Measures(api.client.get("/metrics").text)
    usage = api.client.get("/v1/usage").json()["storage"]

    assert measures("storage_bytes", kind="models") == 1500
    assert measures("storage_bytes", kind="database") > 0
    assert usage["size_bytes"] == sum(measures.all("storage_bytes"))
    assert {(part["kind"], part["owner"]): part["size_bytes"] for part in usage["parts"] if part["owner"]} == {
        ("models", "ada"): 1000,
        ("models", "eve"): 500,
    }
    assert usage["measured_at"] is not None
