"""How full the queues are, and what was used: figures by hand against what the API answers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from cellgate.contract.states import FailureReason
from service.store.claims import claim_next
from service.store.lifecycle import fail, mark_running
from service.store.tables import AttemptRow, RunRow, WorkerRow
from service.store.workers import ALIVE_S, register_worker
from tests.api_client import Api, assert_refused, begin, get

HOUR_S = 3600.0
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()


def job(api: Api, dataset: str, **spec: Any) -> list[str]:
    """Ids of the runs of a new job."""
    body = {"cell": 52, "dataset": dataset, **spec}
    return [run["id"] for run in api.client.post("/v1/jobs", json=body).json()["runs"]]


def worked(api: Api, run_id: str, *spans: tuple[float, float | None], ended: bool = True) -> None:
    """Give a run attempts that began and ended then, in hours since noon, and let the run fail."""
    with api.database.begin() as session:
        for number, (begun, done) in enumerate(spans, start=1):
            finished_at = None if done is None else NOON + done * HOUR_S
            started_at = NOON + begun * HOUR_S
            session.add(
                AttemptRow(
                    run_id=run_id, attempt=number, worker="w", path="", started_at=started_at, finished_at=finished_at
                )
            )
        if ended:
            session.execute(update(RunRow).where(RunRow.id == run_id).values(state="failed"))


def test_a_queue_is_listed_with_what_waits_in_it_and_who_serves_it(api: Api) -> None:
    dataset = api.ready_dataset()
    _, paused, oldest, _ = job(api, dataset, seeds=[0, 1, 2, 3])
    job(api, dataset, seeds=[0], queue="gpu")
    api.client.post(f"/v1/runs/{paused}/pause")
    begin(api)
    with api.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.state == "queued").values(queued_at=RunRow.queued_at - 50))
        session.execute(update(RunRow).where(RunRow.id == oldest).values(queued_at=RunRow.queued_at - 500))
        register_worker(session, worker_id="worker-1", queues=["cpu", "idle"], slots=4)
        register_worker(session, worker_id="worker-2", queues=["cpu"], slots=1)

    cpu, gpu, idle = get(api, "/v1/queues")

    assert (cpu["name"], cpu["queued"], cpu["running"], cpu["paused"]) == ("cpu", 2, 1, 1)
    assert (cpu["workers"], cpu["slots"], cpu["free_slots"]) == (2, 5, 4)
    assert 550 <= cpu["oldest_wait_s"] < 600 > gpu["oldest_wait_s"] >= 50
    assert (gpu["name"], gpu["queued"], gpu["workers"], gpu["free_slots"]) == ("gpu", 1, 0, 0)
    assert idle == {
        "name": "idle",
        "queued": 0,
        "running": 0,
        "paused": 0,
        "oldest_wait_s": None,
        "workers": 1,
        "slots": 4,
        "free_slots": 3,
    }


def test_a_worker_that_fell_silent_serves_no_queue(api: Api) -> None:
    with api.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=1)
    assert [queue["name"] for queue in get(api, "/v1/queues")] == ["cpu"]

    with api.database.begin() as session:
        session.execute(update(WorkerRow).values(seen_uptime_s=-ALIVE_S - 1))

    assert get(api, "/v1/queues") == []


def test_only_the_part_of_an_attempt_within_the_period_is_counted(api: Api) -> None:
    before, across, inside, after = job(api, api.ready_dataset(), seeds=[0, 1, 2, 3])
    worked(api, before, (-2, 0))
    worked(api, across, (-1, 1), (5, 6), (7, 9))
    worked(api, inside, (2, 2.5))
    worked(api, after, (8, 10))

    found = get(api, "/v1/usage?from=2026-01-01T12:00:00Z&to=2026-01-01T20:00:00%2B00:00&by=cell")

    assert found["total"] == {"slot_seconds": 3.5 * HOUR_S, "runs": 2, "failed_share": 1.0}
    assert found["groups"] == [{"key": "52", "owner_id": None, **found["total"]}]
    assert (found["since"], found["before"]) == ("2026-01-01T12:00:00Z", "2026-01-01T20:00:00Z")


def test_a_run_at_work_counts_up_to_now_and_neither_as_failed_nor_as_ended(api: Api) -> None:
    ended, at_work = job(api, api.ready_dataset(), seeds=[0, 1])
    began = (datetime.now(UTC).timestamp() - 60 - NOON) / HOUR_S
    worked(api, ended, (0, 1))
    worked(api, at_work, (began, None), ended=False)

    total = get(api, "/v1/usage?from=2026-01-01T00:00:00Z&by=queue")["total"]

    assert HOUR_S + 60 <= total["slot_seconds"] - _prepared_s(api) < HOUR_S + 300
    assert (total["runs"], total["failed_share"]) == (3, 0.5)


def test_an_attempt_counts_as_long_as_its_worker_measured_whatever_the_clock_showed(api: Api) -> None:
    jumped_on, jumped_back, unmeasured = job(api, api.ready_dataset(), seeds=[0, 1, 2])
    worked(api, jumped_on, (0, 120))
    worked(api, jumped_back, (0, -120))
    # Of a worker of release 0.2: all that is known is what the clock showed, and that is never less than nothing.
    worked(api, unmeasured, (0, -120))
    with api.database.begin() as session:
        measured = update(AttemptRow).where(AttemptRow.run_id.in_([jumped_on, jumped_back]))
        session.execute(measured.values(duration_s=60.0))

    found = get(api, "/v1/usage?from=2026-01-01T00:00:00Z&to=2027-06-01T00:00:00Z&by=cell")

    assert [group["slot_seconds"] for group in found["groups"] if group["key"] == "52"] == [120.0]


def _prepared_s(api: Api) -> float:
    by_cell = {group["key"]: group["slot_seconds"] for group in get(api, "/v1/usage?by=cell")["groups"]}
    return float(by_cell["prepare"])


@pytest.mark.parametrize("by", ["experiment", "owner", "cell", "queue"])
def test_the_groups_add_up_to_the_total_however_few_are_shown(api: Api, by: str) -> None:
    dataset = api.ready_dataset()
    experiment = api.experiment(dataset)
    api.trainers().work()
    [alone] = job(api, dataset, seeds=[7], queue="gpu")
    worked(api, alone, (0, 100))

    found = get(api, f"/v1/usage?by={by}")
    short = get(api, f"/v1/usage?by={by}&limit=1")

    shown = found["groups"]
    assert found["total"]["slot_seconds"] == pytest.approx(sum(group["slot_seconds"] for group in shown))
    assert (
        found["total"]["runs"] == sum(group["runs"] for group in shown) == len(get(api, "/v1/runs?limit=500")["items"])
    )
    assert (short["total"]["runs"], short["groups"][0]["key"]) == (found["total"]["runs"], shown[0]["key"])
    assert len(short["groups"]) == 1
    keys = [group["key"] for group in shown]
    expected = {"experiment": {None, experiment}, "owner": {"local"}, "queue": {"gpu", "cpu"}}
    assert set(keys) == expected.get(by, {"prepare", "preflight", "51", "52", "53", "54"} & set(keys))
    assert [group["slot_seconds"] for group in shown] == sorted((g["slot_seconds"] for g in shown), reverse=True)


def test_where_nothing_ran_nothing_was_used(api: Api) -> None:
    found = get(api, "/v1/usage?to=2000-01-01T00:00:00Z")

    assert (found["groups"], found["total"]) == ([], {"slot_seconds": 0.0, "runs": 0, "failed_share": None})


@pytest.mark.parametrize("before", ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])
def test_a_period_without_length_is_refused(api: Api, before: str) -> None:
    answer = api.client.get(f"/v1/usage?from=2026-01-02T00:00:00Z&to={before}")

    assert_refused(answer, status=422, code="invalid_spec", pointers=["#query/from"])


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("from=yesterday&to=now&by=team", ["#query/from", "#query/to", "#query/by"]),
        ("from=2026-01-01T00:00:00&limit=0", ["#query/from", "#query/limit"]),
        ("since=2026-01-01T00:00:00Z", ["#query/since"]),
    ],
)
def test_a_question_that_is_not_understood_is_refused(api: Api, query: str, pointers: list[str]) -> None:
    assert_refused(api.client.get(f"/v1/usage?{query}"), status=422, code="invalid_request", pointers=pointers)


def test_a_failure_is_a_failure_by_the_states_that_runs_really_end_in(api: Api) -> None:
    job(api, api.ready_dataset(), seeds=[0, 1])
    with api.database.begin() as session:
        claim = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
        assert claim is not None
        mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
        fail(session, run_id=claim.run_id, attempt=1, reason=FailureReason.COLLAPSE, detail="flat")

    by_cell = {group["key"]: group for group in get(api, "/v1/usage?by=cell")["groups"]}

    assert (by_cell["52"]["runs"], by_cell["52"]["failed_share"]) == (1, 1.0)
    assert (by_cell["prepare"]["runs"], by_cell["prepare"]["failed_share"]) == (1, 0.0)
