"""Pausing, resuming and trying again over HTTP."""

from typing import Any

import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.states import FailureReason
from tests.api_client import Api, assert_refused, begin, get


def a_job(api: Api) -> dict[str, Any]:
    body = {"cell": 52, "dataset": api.ready_dataset(), "seeds": [0, 1]}
    made: dict[str, Any] = api.client.post("/v1/jobs", json=body).json()
    return made


def states(api: Api, job_id: str) -> list[str]:
    return [run["state"] for run in get(api, f"/v1/jobs/{job_id}")["runs"]]


def test_a_paused_job_leaves_the_queue_and_a_resumed_one_is_notified_again(api: Api) -> None:
    job = a_job(api)
    claim = begin(api)
    path = f"/v1/jobs/{job['id']}"

    paused = api.client.post(f"{path}/pause")

    assert (paused.status_code, paused.headers["Location"]) == (202, path)
    assert paused.json() == get(api, path)
    assert [run["state"] for run in paused.json()["runs"]] == ["pausing", "paused"]
    assert claim.run_id == job["runs"][0]["id"]

    api.notifier.notified.clear()
    assert api.client.post(f"{path}/resume").status_code == 202
    assert states(api, job["id"]) == ["pausing", "queued"]
    assert api.notifier.notified == [(job["runs"][1]["id"], "cpu")]


def test_a_run_is_paused_and_resumed_alone(api: Api) -> None:
    job = a_job(api)
    path = f"/v1/runs/{job['runs'][1]['id']}"

    paused = api.client.post(f"{path}/pause")
    assert (paused.status_code, paused.headers["Location"], paused.json()["state"]) == (202, path, "paused")
    assert states(api, job["id"]) == ["queued", "paused"]

    assert api.client.post(f"{path}/resume").json()["state"] == "queued"


@pytest.mark.parametrize("kind", ["jobs", "runs"])
def test_a_failed_run_is_tried_again_by_a_new_one_that_is_notified(api: Api, kind: str) -> None:
    job = a_job(api)
    trainers = api.trainers()
    trainers.failing[(Cell.GNN, 1)] = (FailureReason.KILLED, -9)
    trainers.work()
    old = job["runs"][1]["id"]
    api.notifier.notified.clear()

    answer = api.client.post(f"/v1/{kind}/{job['id'] if kind == 'jobs' else old}/retry")

    assert answer.status_code == 202
    assert get(api, answer.headers["Location"]) == answer.json()
    first, new = get(api, f"/v1/jobs/{job['id']}")["runs"]
    assert (first["state"], new["state"], new["seed"]) == ("succeeded", "queued", 1)
    assert (get(api, f"/v1/runs/{old}")["superseded_by"], new["superseded_by"]) == (new["id"], None)
    assert api.notifier.notified == [(new["id"], "cpu")]
    assert answer.headers["Location"] == (f"/v1/jobs/{job['id']}" if kind == "jobs" else f"/v1/runs/{new['id']}")


def test_a_job_is_tried_again_at_another_rate_by_a_new_job_of_all_its_seeds(api: Api) -> None:
    job = a_job(api)
    trainers = api.trainers()
    trainers.failing[(Cell.GNN, 1)] = (FailureReason.COLLAPSE, 5)
    trainers.work()

    answer = api.client.post(f"/v1/jobs/{job['id']}/retry", json={"learning_rate": 7e-4})

    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{made['id']}" != f"/v1/jobs/{job['id']}"
    assert (made["seeds"], states(api, made["id"])) == ([0, 1], ["queued", "queued"])
    assert made["spec"]["training"]["learning_rate"]["value"] == 7e-4
    assert states(api, job["id"]) == ["succeeded", "failed"]


@pytest.mark.parametrize("rate", [0, -1e-3, 1.5, "fast"])
def test_a_rate_that_cannot_be_one_is_refused_and_nothing_is_tried_again(api: Api, rate: Any) -> None:
    job = a_job(api)
    api.client.post(f"/v1/jobs/{job['id']}/cancel")

    answer = api.client.post(f"/v1/jobs/{job['id']}/retry", json={"learning_rate": rate})

    assert_refused(answer, status=422, code="invalid_request", pointers=["/learning_rate"])
    assert states(api, job["id"]) == ["cancelled", "cancelled"]


def test_the_same_retry_twice_under_one_key_is_one_retry(api: Api) -> None:
    job = a_job(api)
    api.client.post(f"/v1/jobs/{job['id']}/cancel")
    path, key = f"/v1/runs/{job['runs'][0]['id']}/retry", {"Idempotency-Key": "again"}

    first, second = (api.client.post(path, headers=key) for _twice in range(2))

    assert (first.status_code, first.json()) == (202, second.json())
    assert_refused(api.client.post(path), status=409, code="conflict", pointers=[])


def test_an_experiment_is_paused_and_resumed_as_a_whole_and_twice_does_no_harm(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}"

    for verb, paused, state in (("pause", True, "paused"), ("resume", False, "queued")):
        for _twice in range(2):
            done = api.client.post(f"{path}/{verb}")
            assert (done.status_code, done.headers["Location"], done.json()) == (202, path, get(api, path))
        assert done.json()["paused"] is paused
        assert [run["state"] for job in done.json()["jobs"] for run in job["runs"]] == [state]

    api.client.post(f"{path}/cancel")
    assert_refused(api.client.post(f"{path}/pause"), status=409, code="conflict", pointers=[])
    assert_refused(api.client.post(f"/v1/experiments/exp_{'0' * 26}/pause"), status=404, code="not_found", pointers=[])


@pytest.mark.parametrize("verb", ["pause", "resume", "retry"])
def test_what_cannot_be_done_now_is_a_conflict_that_changes_nothing(api: Api, verb: str) -> None:
    job = a_job(api)
    if verb == "pause":
        api.trainers().work()
    before = (api.counts(), states(api, job["id"]))

    for path in (f"/v1/jobs/{job['id']}", f"/v1/runs/{job['runs'][0]['id']}"):
        assert_refused(api.client.post(f"{path}/{verb}"), status=409, code="conflict", pointers=[])
    for path in (f"/v1/jobs/job_{'0' * 26}", f"/v1/runs/run_{'0' * 26}"):
        assert_refused(api.client.post(f"{path}/{verb}"), status=404, code="not_found", pointers=[])

    assert (api.counts(), states(api, job["id"])) == before
