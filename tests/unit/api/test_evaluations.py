"""Evaluations over the API: a worker judges a bundle or a file of scores."""

import json
from typing import Any

import pytest
from sqlalchemy import update

from cellgate.contract.artifacts import BUNDLE_FOLDER
from cellgate.contract.specs import EvaluateSpec
from service.domain.errors import Conflict
from service.store.run_specs import trainer_spec
from service.store.tables import DatasetRow, RunRow
from tests.api_client import Api, get

NOWHERE = "bun_01J8Z0K3V9Q4T6X2B5N7M1C8DC"


def bundle(api: Api, *, packed: bool = True) -> str:
    experiment = api.experiment()
    api.trainers().work()
    made = str(api.client.post(f"/v1/experiments/{experiment}/bundle", json={}).json()["id"])
    if packed:
        with api.database.begin() as session:
            done = {"state": "succeeded", "path": "packed", "result": {"artifacts": {}}}
            session.execute(update(RunRow).where(RunRow.cell == "pack").values(done))
    return made


def queued(api: Api, **body: Any) -> str:
    answer = api.client.post("/v1/evaluations", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/evaluations/{answer.json()['run']}"
    return str(answer.json()["run"])


def spec_of(api: Api, run: str) -> EvaluateSpec:
    settings = api.settings
    with api.database.read() as session:
        spec = trainer_spec(session, run_id=run, artifacts=settings.artifacts, data_roots=settings.roots)
    return EvaluateSpec.model_validate(spec)


def evaluation_only(api: Api) -> str:
    dataset = api.ready_dataset()
    with api.database.begin() as session:
        row = session.get_one(DatasetRow, dataset)
        row.spec = {**row.spec, "evaluation": "test"}
    return dataset


def test_a_bundle_is_judged_on_a_set_for_evaluation_only_with_what_it_was_trained_on_beside_it(api: Api) -> None:
    made, dataset = bundle(api), evaluation_only(api)

    run = queued(api, dataset=dataset, bundle=made, threshold=0.25, cutoff="2023-09-30")
    before, spec = get(api, f"/v1/evaluations/{run}"), spec_of(api, run)
    api.trainers().work()
    after = get(api, f"/v1/evaluations/{run}")

    root = api.settings.artifacts.resolve()
    assert (spec.bundle, spec.scores, spec.threshold) == (root / "packed" / BUNDLE_FOLDER, None, 0.25)
    assert spec.trained_on is not None
    assert spec.trained_on != spec.dataset
    assert spec.cutoff == "2023-09-30"
    assert (before["state"], before["evaluation"]) == ("queued", None)
    assert (after["state"], after["dataset"], after["bundle"]) == ("succeeded", dataset, made)
    assert next(iter(after["evaluation"])) == "overlap"
    assert after["evaluation"]["metrics"]["f1"] == pytest.approx(0.8, abs=0.05)


def test_a_file_of_scores_is_judged_and_read_below_a_data_root_alone(api: Api) -> None:
    dataset, scores = api.ready_dataset(), api.file("scores.jsonl")

    run = queued(api, dataset=dataset, scores=scores)

    spec = spec_of(api, run)
    assert (str(spec.scores), spec.bundle, spec.trained_on) == (scores, None, None)
    with api.database.read() as session, pytest.raises(Conflict, match="no data root"):
        trainer_spec(
            session, run_id=run, artifacts=api.settings.artifacts, data_roots=[api.settings.data_dir / "other"]
        )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"bundle": NOWHERE, "scores": "x"}, ""),
        ({"bundle": NOWHERE}, "/bundle"),
        ({"bundle": "mine"}, "/bundle"),
        ({"scores": "/etc/passwd"}, "/scores"),
        ({"scores": "."}, "/scores"),
        ({"scores": "x\x00"}, "/scores"),
        ({"scores": "x", "threshold": 2}, "/threshold"),
    ],
    ids=json.dumps,
)
def test_what_cannot_be_judged_is_refused(api: Api, body: dict[str, Any], pointer: str) -> None:
    answer = api.client.post("/v1/evaluations", json={"dataset": api.ready_dataset(), **body})

    assert answer.status_code == 422, answer.text
    assert pointer in [mistake["pointer"] for mistake in answer.json()["errors"]]
    assert get(api, "/v1/jobs?cell=evaluate")["items"] == []


def test_a_bundle_that_is_not_packed_yet_is_a_conflict(api: Api) -> None:
    dataset, made = api.ready_dataset(), bundle(api, packed=False)

    answer = api.client.post("/v1/evaluations", json={"dataset": dataset, "bundle": made})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_a_run_of_another_cell_is_no_evaluation(api: Api) -> None:
    experiment = get(api, f"/v1/experiments/{api.experiment()}")

    answer = api.client.get(f"/v1/evaluations/{experiment['jobs'][0]['runs'][0]['id']}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_bundle_stays_until_its_evaluation_has_ended_and_the_data_set_with_it(api: Api) -> None:
    made, dataset = bundle(api), evaluation_only(api)
    run = queued(api, dataset=dataset, bundle=made)
    job = get(api, f"/v1/runs/{run}")["job"]

    while_queued = api.client.delete(f"/v1/bundles/{made}")
    api.trainers().work()
    ended = api.client.delete(f"/v1/bundles/{made}")
    with_evaluation = api.client.delete(f"/v1/datasets/{dataset}")

    assert (while_queued.status_code, ended.status_code, with_evaluation.status_code) == (409, 200, 409)
    assert [one["id"] for one in with_evaluation.json()["dependents"]] == [job]
    assert get(api, f"/v1/evaluations/{run}")["evaluation"] is not None
    assert api.client.delete(f"/v1/jobs/{job}").status_code == 200
    assert api.client.delete(f"/v1/datasets/{dataset}").status_code == 200
