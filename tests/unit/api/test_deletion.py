"""DELETE: what belongs to a thing goes with it, what depends on it keeps it, and its files go afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from service.settings import Settings
from service.store.tables import (
    AttemptRow,
    BundleRow,
    DatasetRow,
    DecisionRow,
    EventRow,
    ExperimentRow,
    JobRow,
    LabelRow,
    RemovalRow,
    RunRow,
    UploadRow,
)
from tests.api_client import FUNCTIONS, Api, assert_refused, begin, get, running_api
from tests.housekeepers import keep_house

CONTENT = "".join(json.dumps(row) + "\n" for row in FUNCTIONS).encode()


def finished(api: Api, **spec: Any) -> str:
    experiment = api.experiment(labels={"team": "core"}, **spec)
    api.trainers().work()
    return experiment


def rows(api: Api, *tables: Any) -> list[int]:
    with api.database.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def folders(api: Api) -> set[str]:
    return {path.name for path in (api.settings.artifacts / "runs").iterdir()}


def runs_of(api: Api, experiment: str) -> set[str]:
    return {run["id"] for run in get(api, f"/v1/runs?experiment={experiment}&limit=500")["items"]}


def test_an_experiment_goes_with_all_that_belongs_to_it_and_its_data_set_stays(api: Api) -> None:
    experiment = finished(api)
    runs = runs_of(api, experiment)
    before = folders(api)

    answer = api.client.delete(f"/v1/experiments/{experiment}")

    assert answer.status_code == 200
    assert answer.json()["counts"] == {"experiment": 1, "job": 4, "run": len(runs)}
    assert api.client.get(f"/v1/experiments/{experiment}").status_code == 404
    assert rows(api, ExperimentRow, DecisionRow, LabelRow, DatasetRow, JobRow, RunRow, AttemptRow) == [
        0,
        0,
        0,
        1,
        1,
        1,
        1,
    ]
    assert folders(api) == before
    keep_house(api.settings)
    assert before - folders(api) == runs
    assert api.client.delete(f"/v1/experiments/{experiment}").status_code == 404


def test_a_dry_run_says_what_would_go_and_how_many_bytes_and_deletes_nothing(api: Api) -> None:
    experiment = finished(api)

    answer = api.client.delete(f"/v1/experiments/{experiment}?dry_run=true").json()

    size = sum(
        path.stat().st_size
        for run in runs_of(api, experiment)
        for path in (api.settings.artifacts / "runs" / run).rglob("*")
        if path.is_file()
    )
    assert (answer["dry_run"], answer["size_bytes"]) == (True, size)
    assert {"kind": "experiment", "id": experiment, "name": "question"} in answer["things"]
    assert rows(api, RemovalRow) == [0]
    assert get(api, f"/v1/experiments/{experiment}")["id"] == experiment


def test_what_depends_on_a_data_set_keeps_it_and_is_listed_and_cascading_takes_both(api: Api) -> None:
    dataset = api.ready_dataset()
    experiments = [finished(api, dataset_id=dataset) for _ in range(2)]
    bundle = api.client.post(f"/v1/experiments/{experiments[0]}/bundle").json()["id"]
    api.client.post(f"/v1/jobs/{get(api, '/v1/runs?cell=pack')['items'][0]['job']}/cancel")

    kept = api.client.delete(f"/v1/datasets/{dataset}")
    problem = assert_refused(kept, status=409, code="still_used", pointers=[])
    gone = api.client.delete(f"/v1/datasets/{dataset}?cascade=true")

    assert {one["id"] for one in problem["dependents"]} == {*experiments, bundle}
    assert problem["dependents_total"] == 3
    assert gone.status_code == 200
    assert rows(api, DatasetRow, ExperimentRow, JobRow, RunRow, BundleRow, EventRow) == [0] * 6
    keep_house(api.settings)
    assert folders(api) == set()


def test_what_has_not_ended_is_never_deleted_cascade_or_not(api: Api) -> None:
    experiment = api.experiment()
    run = begin(api).run_id
    dataset = get(api, f"/v1/experiments/{experiment}")["dataset"]

    for path in (f"experiments/{experiment}", f"runs/{run}", f"datasets/{dataset}"):
        problem = assert_refused(
            api.client.delete(f"/v1/{path}?cascade=true"), status=409, code="conflict", pointers=[]
        )
        assert run in problem["unfinished"]
        assert "cancel first" in problem["detail"]
    assert rows(api, RemovalRow) == [0]


def test_a_step_keeps_its_runs_and_an_experiment_its_steps(api: Api) -> None:
    experiment = finished(api)
    job = get(api, f"/v1/experiments/{experiment}")["jobs"][0]

    of_the_run = assert_refused(
        api.client.delete(f"/v1/runs/{job['runs'][0]['id']}"), status=409, code="still_used", pointers=[]
    )
    of_the_job = assert_refused(api.client.delete(f"/v1/jobs/{job['id']}"), status=409, code="still_used", pointers=[])

    assert [one["id"] for one in of_the_run["dependents"]] == [job["id"]]
    assert [one["id"] for one in of_the_job["dependents"]] == [experiment]


def test_a_job_on_its_own_loses_the_seed_of_a_deleted_run_but_not_its_last(api: Api) -> None:
    job = api.client.post("/v1/jobs", json={"cell": 52, "dataset": api.ready_dataset(), "seeds": [0, 1]}).json()
    api.trainers().work()
    first, second = (run["id"] for run in job["runs"])

    assert api.client.delete(f"/v1/runs/{first}").status_code == 200
    left = get(api, f"/v1/jobs/{job['id']}")
    kept = api.client.delete(f"/v1/runs/{second}")
    gone = api.client.delete(f"/v1/jobs/{job['id']}")

    assert (left["seeds"], [run["id"] for run in left["runs"]]) == ([1], [second])
    assert_refused(kept, status=409, code="still_used", pointers=[])
    assert (gone.status_code, gone.json()["counts"]) == (200, {"job": 1, "run": 1})


def test_a_replaced_run_stays_while_the_new_one_may_go_on_from_its_checkpoint(api: Api) -> None:
    job = api.client.post("/v1/jobs", json={"cell": 52, "dataset": api.ready_dataset(), "seeds": [0]}).json()
    [run] = job["runs"]
    api.client.post(f"/v1/runs/{run['id']}/cancel")
    successor = api.client.post(f"/v1/runs/{run['id']}/retry").json()["id"]

    kept = assert_refused(api.client.delete(f"/v1/runs/{run['id']}"), status=409, code="still_used", pointers=[])
    api.trainers().work()
    gone = api.client.delete(f"/v1/runs/{run['id']}")

    assert [one["id"] for one in kept["dependents"]] == [successor]
    assert gone.json()["counts"] == {"run": 1}
    assert [one["id"] for one in get(api, f"/v1/jobs/{job['id']}")["runs"]] == [successor]


def test_an_upload_stays_until_its_data_set_is_ready_and_its_file_goes_with_it(api: Api) -> None:
    sent = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT).json()
    dataset = api.client.post("/v1/datasets", json={"name": "sent", "source": sent["source"]}).json()["id"]

    kept = assert_refused(api.client.delete(f"/v1/uploads/{sent['id']}"), status=409, code="still_used", pointers=[])
    api.trainers().work()
    gone = api.client.delete(f"/v1/uploads/{sent['id']}")
    keep_house(api.settings)

    assert [one["id"] for one in kept["dependents"]] == [dataset]
    assert gone.json()["counts"] == {"upload": 1}
    assert not Path(sent["source"]).exists()
    assert get(api, f"/v1/datasets/{dataset}")["state"] == "ready"


def test_a_file_that_is_sent_again_before_it_is_removed_stays(api: Api) -> None:
    first = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT).json()
    api.client.delete(f"/v1/uploads/{first['id']}")

    second = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT).json()
    keep_house(api.settings)

    assert (second["source"], second["id"] != first["id"]) == (first["source"], True)
    assert Path(second["source"]).read_bytes() == CONTENT


def test_the_same_file_is_one_upload_and_a_new_name_leaves_its_path(api: Api) -> None:
    first, again = (api.client.put("/v1/uploads/functions.jsonl", content=CONTENT).json() for _ in range(2))
    renamed = api.client.patch(f"/v1/uploads/{first['id']}", json={"name": "what Ada sent"}).json()

    assert again["id"] == first["id"]
    assert (renamed["name"], renamed["source"]) == ("what Ada sent", first["source"])
    assert api.client.put("/v1/uploads/functions.jsonl", content=CONTENT).json()["id"] == first["id"]
    assert [one["id"] for one in get(api, "/v1/uploads")["items"]] == [first["id"]]
    assert rows(api, UploadRow) == [1]


@pytest.mark.parametrize("kind", ["bundles", "datasets", "experiments", "jobs", "runs", "uploads"])
def test_what_is_not_there_cannot_be_deleted_or_changed(api: Api, kind: str) -> None:
    prefix = {"bundles": "bun", "datasets": "ds", "experiments": "exp", "jobs": "job", "runs": "run", "uploads": "upl"}
    path = f"/v1/{kind}/{prefix[kind]}_{'0' * 26}"

    assert_refused(api.client.delete(path), status=404, code="not_found", pointers=[])
    assert_refused(api.client.patch(path, json={"note": "x"}), status=404, code="not_found", pointers=[])


def test_nobody_deletes_what_belongs_to_somebody_else_not_by_cascading_either(settings: Settings) -> None:
    guarded = Settings.model_validate({"data_dir": settings.data_dir, "token": "t" * 32})
    with running_api(guarded) as api:
        api.client.headers["Authorization"] = f"Bearer {'t' * 32}"
        callers = {
            name: api.client.post("/v1/tokens", json={"name": name, "scope": "submit"}).json()["token"]
            for name in ("ada", "eve")
        }
        of_ada, of_eve = ({"Authorization": f"Bearer {token}"} for token in callers.values())
        dataset = api.client.post("/v1/datasets", json={"name": "made", "source": api.file()}, headers=of_ada).json()[
            "id"
        ]
        api.trainers().work()
        body = {"name": "question", "dataset": dataset, "seeds": [0]}
        experiment = api.client.post("/v1/experiments", json=body, headers=of_eve).json()["id"]
        api.trainers().work()

        own = api.client.delete(f"/v1/datasets/{dataset}?cascade=true", headers=of_ada)
        foreign = api.client.patch(f"/v1/experiments/{experiment}", json={"note": "mine"}, headers=of_ada)
        allowed = api.client.patch(f"/v1/experiments/{experiment}", json={"note": "mine"}, headers=of_eve)

        for refused in (own, foreign):
            problem = assert_refused(refused, status=403, code="not_owner", pointers=[])
            assert experiment in problem["detail"]
        assert allowed.status_code == 200
        assert api.client.delete(f"/v1/datasets/{dataset}?cascade=true").status_code == 200
