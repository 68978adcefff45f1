"""Lists come page by page, and what is polled is not sent twice."""

from itertools import chain

import pytest

from service.store.lifecycle import cancelled
from service.store.recorder import record_metrics
from service.store.workers import register_worker
from tests.api_client import Api, begin, get
from tests.fakes import F1s
from tests.statements import counted_statements

FUSION_IS_DUE: F1s = {
    "transformer": [0.87, 0.88],
    "gnn": [0.86, 0.87],
    "ensemble": [0.89, 0.89],
    "fusion": [0.93, 0.94],
}


@pytest.mark.parametrize("kind", ["datasets", "experiments", "jobs", "runs"])
def test_a_list_is_read_page_by_page_newest_first_without_gaps(api: Api, kind: str) -> None:
    dataset = api.ready_dataset()
    for number in range(2):
        api.experiment(dataset, name=f"question {number}")
        api.dataset()

    whole = [item["id"] for item in get(api, f"/v1/{kind}")["items"]]
    pages, after = [], ""
    while True:
        page = get(api, f"/v1/{kind}?limit=2{after}")
        pages.append([item["id"] for item in page["items"]])
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert list(chain(*pages)) == whole == sorted(whole, reverse=True)
    assert all(len(page) == 2 for page in pages[:-1])


@pytest.mark.parametrize("kind", ["datasets", "experiments", "jobs", "runs"])
def test_a_list_takes_as_many_queries_for_eight_as_for_two(api: Api, kind: str) -> None:
    dataset = api.ready_dataset()
    counts: list[int] = []
    for _ in range(2):
        for number in range(4 if counts else 2):
            api.experiment(dataset, name=f"question {number}")
            api.dataset()
        with counted_statements() as statements:
            get(api, f"/v1/{kind}")
        counts.append(len(statements))

    # With the beginning of the transaction; a summary of an experiment is made of more tables than a row.
    assert counts[0] == counts[1] <= (9 if kind == "experiments" else 6)


def test_what_is_polled_is_not_sent_again_while_it_is_the_same(api: Api) -> None:
    dataset, experiment = api.dataset(), api.experiment()
    job = get(api, f"/v1/experiments/{experiment}")["jobs"][0]
    run = job["runs"][0]["id"]
    paths = [
        f"/v1/datasets/{dataset}",
        f"/v1/experiments/{experiment}",
        f"/v1/jobs/{job['id']}",
        f"/v1/runs/{run}",
        f"/v1/runs/{run}/metrics",
    ]

    for path in paths:
        first = api.client.get(path)
        second = api.client.get(path, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
        assert first.status_code == 200
        assert (second.status_code, second.content) == (304, b"")
        assert second.headers["ETag"] == first.headers["ETag"]
        assert int(second.headers["Retry-After"]) >= 1


def test_an_etag_changes_whenever_the_answer_does(api: Api) -> None:
    experiment = api.experiment()
    trainers = api.trainers(FUSION_IS_DUE)
    seen: dict[str, dict[str, str]] = {}

    def look(path: str) -> None:
        answer = api.client.get(path)
        known = seen.setdefault(path, {})
        assert known.setdefault(answer.headers["ETag"], answer.text) == answer.text, path

    while True:
        look(f"/v1/experiments/{experiment}")
        for job in get(api, f"/v1/experiments/{experiment}")["jobs"]:
            look(f"/v1/jobs/{job['id']}")
            for run in job["runs"]:
                look(f"/v1/runs/{run['id']}")
        if not trainers.work_once():
            break

    assert len(seen[f"/v1/experiments/{experiment}"]) > 8


def test_new_points_change_the_etag_of_the_curves(api: Api) -> None:
    api.dataset()
    claim = begin(api)
    path = f"/v1/runs/{claim.run_id}/metrics"
    before = api.client.get(path).headers["ETag"]

    with api.database.begin() as session:
        record_metrics(session, run_id=claim.run_id, attempt=claim.attempt, points=[("dev/f1", 1, 0.5)])
    answer = api.client.get(path, headers={"If-None-Match": before})

    assert (answer.status_code, answer.json()["curves"][0]["values"]) == (200, [0.5])


def test_what_has_ended_is_polled_less_often(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}"
    active = int(api.client.get(path).headers["Retry-After"])

    api.trainers().work()

    assert int(api.client.get(path).headers["Retry-After"]) > active


def test_a_run_that_moves_up_in_the_queue_is_another_answer_though_nothing_happened_to_it(api: Api) -> None:
    dataset = api.ready_dataset()
    jobs = [api.client.post("/v1/jobs", json={"cell": 52, "dataset": dataset, "seeds": [0]}).json() for _ in range(2)]
    for path in (f"/v1/runs/{jobs[1]['runs'][0]['id']}", f"/v1/jobs/{jobs[1]['id']}"):
        first = api.client.get(path)
        held = {"If-None-Match": first.headers["ETag"]}
        assert api.client.get(path, headers=held).status_code == 304

        with api.database.begin() as session:
            register_worker(session, worker_id=path, queues=["cpu"], slots=1)

        second = api.client.get(path, headers=held)
        assert second.status_code == 200
        waiting = second.json().get("waiting") or second.json()["runs"][0]["waiting"]
        assert (waiting["reason"], waiting["ahead"]) == ("behind", 1)
        assert waiting["detail"].startswith("1 run ahead in queue cpu; 0 of ")


def test_a_cancelled_experiment_is_polled_often_until_its_trainers_have_ended_too(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}"
    claim = begin(api)
    api.client.post(f"{path}/cancel")
    stopping = api.client.get(path)
    assert (stopping.json()["state"], int(stopping.headers["Retry-After"])) == ("cancelled", 1)

    with api.database.begin() as session:
        cancelled(session, run_id=claim.run_id, attempt=claim.attempt)

    ended = api.client.get(path, headers={"If-None-Match": stopping.headers["ETag"]})
    assert (ended.status_code, ended.headers["Retry-After"]) == (200, "30")
