"""A worker that drains takes no more runs and ends what it has; over HTTP."""

import pytest

from cellgate.contract.states import RunState
from service.store.claims import claim_next, is_anything_open
from service.store.lifecycle import renew
from service.store.workers import register_worker
from tests.api_client import Api, assert_refused, begin, get

WORKER = "host.example:17"


@pytest.fixture
def worker(api: Api) -> str:
    """The id of a living worker with two slots."""
    with api.database.begin() as session:
        register_worker(session, worker_id=WORKER, queues=["cpu"], slots=2)
    return WORKER


def queued_runs(api: Api, count: int) -> list[str]:
    """Ids of the runs of a new job over a data set that is ready."""
    job = {"cell": 52, "dataset": api.ready_dataset(), "seeds": list(range(count))}
    return [run["id"] for run in api.client.post("/v1/jobs", json=job).json()["runs"]]


def claimed(api: Api, worker: str) -> str | None:
    """The id of the run that this worker is given when it asks."""
    with api.database.begin() as session:
        claim = claim_next(session, worker=worker, queues=["cpu"], lease_s=60)
        return None if claim is None else claim.run_id


def test_who_drains_is_given_nothing_until_it_is_resumed_and_others_are(api: Api, worker: str) -> None:
    first, second = queued_runs(api, 2)

    answer = api.client.post(f"/v1/workers/{worker}/drain")

    assert (answer.status_code, answer.json()["draining"]) == (202, True)
    assert get(api, answer.headers["Location"]) == answer.json()
    assert claimed(api, worker) is None
    with api.database.read() as session:
        assert not is_anything_open(session, worker=worker, queues=["cpu"])
        assert is_anything_open(session, worker="other", queues=["cpu"])
    assert claimed(api, "other") == first
    assert api.client.post(f"/v1/workers/{worker}/resume").json()["draining"] is False
    assert claimed(api, worker) == second


def test_what_it_has_at_work_goes_on_and_is_shown(api: Api, worker: str) -> None:
    run, _ = queued_runs(api, 2)
    assert claimed(api, worker) == run

    api.client.post(f"/v1/workers/{worker}/drain")

    with api.database.begin() as session:
        assert renew(session, run_id=run, attempt=1, lease_s=60) == RunState.STARTING
    [shown] = get(api, "/v1/workers")
    assert (shown["id"], shown["draining"], shown["alive"], shown["runs"]) == (worker, True, True, [run])
    assert get(api, f"/v1/workers/{worker}") == shown


def test_a_queue_is_not_served_by_who_drains_and_a_waiting_run_says_what_to_do(api: Api, worker: str) -> None:
    [run] = queued_runs(api, 1)
    api.client.post(f"/v1/workers/{worker}/drain")

    [queue] = get(api, "/v1/queues")
    waiting = get(api, f"/v1/runs/{run}")["waiting"]

    assert (queue["workers"], queue["slots"], queue["free_slots"]) == (0, 0, 0)
    assert waiting["reason"] == "no_worker"
    assert waiting["detail"].startswith("every worker of queue cpu drains")
    assert not get(api, "/readyz")["checks"]["workers"]["ok"]
    assert 'cellgate_workers{state="draining"} 1.0' in api.client.get("/metrics").text


def test_who_is_resumed_is_woken_once_per_slot(api: Api, worker: str) -> None:
    api.client.post(f"/v1/workers/{worker}/drain")
    api.notifier.notified.clear()

    api.client.post(f"/v1/workers/{worker}/resume")

    assert api.notifier.notified == [("", "cpu")] * 2


def test_draining_twice_does_no_harm_and_a_new_start_ends_it(api: Api, worker: str) -> None:
    for _ in range(2):
        assert api.client.post(f"/v1/workers/{worker}/drain").json()["draining"]

    with api.database.begin() as session:
        register_worker(session, worker_id=worker, queues=["cpu"], slots=2)

    assert not get(api, f"/v1/workers/{worker}")["draining"]


def test_a_key_that_comes_again_is_answered_as_before_and_drains_nobody_anew(api: Api, worker: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = api.client.post(f"/v1/workers/{worker}/drain", headers=key)
    api.client.post(f"/v1/workers/{worker}/resume")

    again = api.client.post(f"/v1/workers/{worker}/drain", headers=key)
    other = api.client.post(f"/v1/workers/{worker}/resume", headers=key)

    assert (again.status_code, again.json()) == (202, first.json())
    assert not get(api, f"/v1/workers/{worker}")["draining"]
    assert_refused(other, status=409, code="idempotency_mismatch", pointers=["#header/Idempotency-Key"])


@pytest.mark.parametrize("action", ["", "/drain", "/resume"])
def test_a_worker_that_is_not_there_is_not_found(api: Api, action: str) -> None:
    path = f"/v1/workers/nobody:1{action}"

    answer = api.client.post(path) if action else api.client.get(path)

    assert_refused(answer, status=404, code="not_found", pointers=[])


def test_a_run_that_another_worker_holds_is_shown_with_that_one(api: Api, worker: str) -> None:
    queued_runs(api, 1)
    held = begin(api)

    with api.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=1)

    assert {found["id"]: found["runs"] for found in get(api, "/v1/workers")} == {worker: [], "worker-1": [held.run_id]}
