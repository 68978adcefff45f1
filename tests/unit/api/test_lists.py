"""Lists can be narrowed, and name their neighbours."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cellgate.contract.states import JobState, RunState, job_state
from service.store.filters import EVERYTHING, Filters
from service.store.jobs import list_jobs, runs_of_jobs
from service.store.paging import PageOf
from tests.api_client import Api, assert_refused, get


def ids(api: Api, path: str) -> list[str]:
    """Ids of the items of a list."""
    return [item["id"] for item in get(api, path)["items"]]


def labelled(api: Api, dataset: str, **labels: str) -> str:
    """Id of a new experiment with these labels."""
    return api.experiment(dataset, labels=labels)


def test_experiments_are_found_by_their_labels(api: Api) -> None:
    dataset = api.ready_dataset()
    core = labelled(api, dataset, team="core")
    both = labelled(api, dataset, team="core", kind="big")
    none = labelled(api, dataset)

    assert ids(api, "/v1/experiments") == [none, both, core]
    assert ids(api, "/v1/experiments?label=team:core") == [both, core]
    assert ids(api, "/v1/experiments?label=team:core&label=kind:big") == [both]
    assert ids(api, "/v1/experiments?label=team:other") == []
    assert get(api, f"/v1/experiments/{both}")["labels"] == {"kind": "big", "team": "core"}
    assert get(api, "/v1/experiments?limit=2")["items"][1]["labels"] == {"kind": "big", "team": "core"}


@pytest.mark.parametrize(
    ("labels", "pointer"),
    [({"Team": "core"}, "/labels/Team"), ({"team": ""}, "/labels/team"), ({"team": "a b"}, "/labels/team")],
)
def test_a_label_that_no_filter_could_name_is_refused(api: Api, labels: dict[str, str], pointer: str) -> None:
    body = {"name": "question", "dataset": api.ready_dataset(), "labels": labels}
    answer = api.client.post("/v1/experiments", json=body)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [mistake["pointer"].removesuffix("/[key]") for mistake in problem["errors"]] == [pointer]


def test_every_wrong_label_in_a_query_is_named(api: Api) -> None:
    malformed = api.client.get("/v1/experiments?label=core&label=team:a&label=:b")
    twice = api.client.get("/v1/experiments?label=team:a&label=kind:a&label=team:b")

    assert_refused(malformed, status=422, code="invalid_request", pointers=["#query/label/0", "#query/label/2"])
    assert_refused(twice, status=422, code="invalid_spec", pointers=["#query/label/2"])


def test_runs_are_found_by_state_cell_job_and_experiment(api: Api) -> None:
    dataset = api.ready_dataset()
    first, second = api.experiment(dataset), api.experiment(dataset)
    api.trainers().work()
    runs: list[dict[str, Any]] = get(api, "/v1/runs?limit=500")["items"]

    def wanted(**values: object) -> list[str]:
        return [run["id"] for run in runs if all(run[name] == value for name, value in values.items())]

    assert ids(api, f"/v1/runs?limit=500&experiment={first}") == wanted(experiment=first) != []
    assert ids(api, "/v1/runs?limit=500&cell=51") == wanted(cell=51) != []
    assert ids(api, f"/v1/runs?limit=500&cell=52&experiment={second}") == wanted(cell=52, experiment=second) != []
    assert ids(api, "/v1/runs?limit=500&cell=prepare") == wanted(cell="prepare") != []
    job = runs[0]["job"]
    assert ids(api, f"/v1/runs?job={job}") == wanted(job=job) != []
    assert sorted(ids(api, "/v1/runs?limit=500&cell=51&cell=52")) == sorted(wanted(cell=51) + wanted(cell=52))
    states = {run["state"] for run in runs}
    assert states == {"succeeded"}
    assert ids(api, "/v1/runs?limit=500&state=succeeded&state=failed") == [run["id"] for run in runs]


def test_jobs_are_found_by_the_state_that_their_runs_give_them(api: Api) -> None:
    dataset = api.ready_dataset()
    for _ in range(4):
        api.client.post("/v1/jobs", json={"cell": 52, "dataset": dataset, "seeds": [0, 1]})
    trainers = api.trainers()
    seen: set[JobState] = set()
    for _ in range(3):
        trainers.work_once()
        with api.database.read() as session:
            jobs = list_jobs(session, PageOf(limit=500), EVERYTHING)
            runs = runs_of_jobs(session, [job.id for job in jobs])
            states = {job.id: job_state(RunState(run.state) for run in runs[job.id]) for job in jobs}
            seen |= set(states.values())
            for state in JobState:
                found = [job.id for job in list_jobs(session, PageOf(limit=500), Filters(states=[state]))]
                assert found == [job_id for job_id, is_in in states.items() if is_in is state]
    assert {JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED} <= seen


@pytest.mark.parametrize("kind", ["datasets", "experiments", "jobs", "runs"])
def test_lists_are_narrowed_by_when_their_items_were_created(api: Api, kind: str) -> None:
    api.experiment()
    (newest, *_) = get(api, f"/v1/{kind}")["items"]
    created = datetime.fromisoformat(newest["created_at"])
    later = (created + timedelta(seconds=1)).astimezone(UTC).isoformat().replace("+00:00", "Z")
    everything = ids(api, f"/v1/{kind}")

    assert ids(api, f"/v1/{kind}?created_before={later}") == everything
    assert ids(api, f"/v1/{kind}?created_since={later}") == []
    assert newest["id"] in ids(
        api, f"/v1/{kind}?created_since=1970-01-01T00:00:00Z&created_before=9999-12-31T00:00:00Z"
    )


def test_a_time_without_an_offset_is_refused(api: Api) -> None:
    answer = api.client.get("/v1/runs?created_since=2026-01-01T00:00:00")

    assert_refused(answer, status=422, code="invalid_request", pointers=["#query/created_since"])


def test_links_lead_through_the_list_with_its_filters(api: Api) -> None:
    api.experiment()
    api.trainers().work()
    path, seen = "/v1/runs?state=succeeded&limit=3", []
    for _ in range(20):
        answer = api.client.get(path)
        seen += [item["id"] for item in answer.json()["items"]]
        links = {rel: url for url, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["Link"])}
        assert links["first"] == "/v1/runs?state=succeeded&limit=3"
        if "next" not in links:
            break
        path = links["next"]

    assert seen == ids(api, "/v1/runs?limit=500&state=succeeded")
    assert len(seen) > 6


def test_a_parameter_that_a_route_does_not_have_is_refused(api: Api) -> None:
    answer = api.client.get("/v1/runs?stat=failed&limt=3&limit=3")

    assert_refused(answer, status=422, code="invalid_request", pointers=["#query/limt", "#query/stat"])


def test_a_page_may_be_opened_with_any_query(api: Api) -> None:
    assert api.client.get("/?utm_source=mail").status_code == 200


def test_runs_are_compared_side_by_side(api: Api) -> None:
    dataset = api.ready_dataset()
    runs = []
    for width in (16, 48):
        body = {"cell": 52, "dataset": dataset, "seeds": [0], "model": {"width": width}}
        runs.append(api.client.post("/v1/jobs", json=body).json()["runs"][0]["id"])
    before = get(api, f"/v1/compare?runs={runs[0]},{runs[1]}")
    api.trainers().work()
    after = get(api, f"/v1/compare?runs={runs[1]},{runs[0]}")

    assert before["config"] == {"/model/width": [16, 48]}
    assert before["metrics"] == {}
    assert [run["id"] for run in after["runs"]] == [runs[1], runs[0]]
    assert after["config"] == {"/model/width": [48, 16]}
    assert after["metrics"]["gate/f1"] == [run["f1"] for run in after["runs"]]


def test_every_run_that_is_not_there_is_named(api: Api) -> None:
    api.dataset()
    there = get(api, "/v1/runs")["items"][0]["id"]
    missing = [f"run_{letter * 26}" for letter in "AB"]
    answer = api.client.get(f"/v1/compare?runs={missing[0]},{there},{missing[1]}")

    assert_refused(answer, status=422, code="invalid_spec", pointers=["#query/runs", "#query/runs"])


def test_each_cell_says_what_it_needs_and_how_to_ask_for_it(api: Api) -> None:
    cells = {cell["cell"]: cell for cell in get(api, "/v1/cells")}

    assert sorted(cells) == [51, 52, 53, 54]
    for number, cell in cells.items():
        assert get(api, f"/v1/cells/{number}") == cell
        assert cell["needs"]
        assert cell["curl"].startswith("curl -sS http://localhost/v1/jobs -H 'Content-Type: application/json' -d '{")
    dataset = api.ready_dataset()
    answer = api.client.post("/v1/jobs", json={**cells[52]["example"], "dataset": dataset})
    assert answer.status_code == 202
    assert api.client.get("/v1/cells/50").status_code == 422
