"""POST /v1/preflights: what is known at once, and a job that finds out the rest."""

import pytest

from service.store.run_specs import trainer_spec
from service.store.tables import JobRow, RunRow
from tests.api_client import Api, assert_refused, get


def test_a_static_pre_flight_tells_what_is_known_and_queues_nothing(api: Api) -> None:
    dataset = api.ready_dataset()
    before = {**api.counts()}

    answer = api.client.post("/v1/preflights", json={"dataset": dataset, "mode": "static"})

    assert answer.status_code == 202
    assert "Location" not in answer.headers
    found = answer.json()
    assert found["job"] is None
    assert api.counts() == before
    names = [check["name"] for check in found["checks"]]
    assert names[:6] == [*(f"classes_{split}" for split in ("train", "dev", "fuse", "gate", "test")), "gate_positives"]
    assert found["verdict"] in {check["verdict"] for check in found["checks"]}


def test_a_smoke_pre_flight_is_a_job_of_its_own_whose_trainer_gets_the_configs_that_were_named(api: Api) -> None:
    dataset = api.ready_dataset()
    body = {"dataset": dataset, "queue": "gpu", "gnn": {"model": {"width": 32}}}

    answer = api.client.post("/v1/preflights", json=body)

    assert answer.status_code == 202
    job = answer.json()["job"]
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert get(api, answer.headers["Location"]) == job
    assert (job["cell"], job["experiment"], job["queue"]) == ("preflight", None, "gpu")
    (run,) = job["runs"]
    assert api.notifier.notified[-1] == (run["id"], "gpu")
    with api.database.read() as session:
        spec = trainer_spec(session, run_id=run["id"], artifacts=api.settings.artifacts)
    assert spec["cell"] == "preflight"
    assert spec["gnn"]["model"]["width"] == 32
    assert (spec["transformer"], spec["fusion"]) == (None, None)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, [""]),
        ({"fusion": {}}, ["/transformer", "/gnn"]),
        ({"fusion": {}, "gnn": {}}, ["/transformer"]),
    ],
)
def test_what_cannot_be_tried_is_refused_and_nothing_is_queued(
    api: Api, body: dict[str, object], pointers: list[str]
) -> None:
    dataset = api.ready_dataset()
    before = api.counts()

    answer = api.client.post("/v1/preflights", json={"dataset": dataset, **body})

    assert_refused(answer, status=422, code="invalid_spec", pointers=pointers)
    assert api.counts() == before


def test_every_mistake_of_every_config_is_reported_at_once(api: Api) -> None:
    body = {"dataset": "mine", "transformer": {"training": {"epochs": 0}}, "gnn": {"model": {"layers": -1}}, "x": 1}

    answer = api.client.post("/v1/preflights", json=body)

    pointers = ["/dataset", "/transformer/training/epochs", "/gnn/model/layers", "/x"]
    assert_refused(answer, status=422, code="invalid_request", pointers=pointers)


def test_a_data_set_that_is_not_ready_is_a_conflict(api: Api) -> None:
    dataset = api.dataset()

    answer = api.client.post("/v1/preflights", json={"dataset": dataset, "gnn": {}})

    assert_refused(answer, status=409, code="conflict", pointers=[])
    with api.database.read() as session:
        assert session.query(JobRow).filter_by(cell="preflight").count() == 0
        assert session.query(RunRow).filter_by(cell="preflight").count() == 0
