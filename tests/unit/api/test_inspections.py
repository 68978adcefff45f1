"""How a source would be read: work for a worker, of no data set; and how that of a data set was read."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.specs import InspectSpec
from service.store.run_specs import trainer_spec
from service.store.tables import DatasetRow
from tests.api_client import Api, assert_refused, get
from tests.fakes import inspection


def _ask(api: Api, **more: Any) -> Any:
    return api.client.post("/v1/inspections", json={"source": api.file(), **more})


def test_a_worker_is_given_the_source_and_its_settings_and_the_answer_has_what_it_finds(api: Api) -> None:
    asked = _ask(api, fields={"func": "code"}, max_left_out_share=0)
    run = asked.json()["run"]

    with api.database.read() as session:
        spec = InspectSpec.model_validate(trainer_spec(session, run_id=run, artifacts=api.settings.artifacts))
    api.trainers().work()

    assert (asked.status_code, asked.json()["inspection"]) == (202, None)
    assert (spec.sources, spec.fields.func, spec.max_left_out_share) == ((Path(api.file()),), "code", 0)
    found = get(api, asked.headers["Location"])
    assert (found["state"], found["inspection"]["left_out"][0]["reason"]) == ("succeeded", "empty")


def test_a_file_that_a_data_set_would_be_refused_for_is_read_and_shown(api: Api) -> None:
    source = api.file("odd.jsonl", [{"nothing": "known"}])

    assert _ask(api, source=source).status_code == 202
    assert api.client.post("/v1/datasets", json={"name": "odd", "source": source}).status_code == 422


def test_what_lies_elsewhere_is_not_read(api: Api) -> None:
    answer = _ask(api, source=["/etc/passwd", api.file()])

    assert_refused(answer, status=422, code="invalid_spec", pointers=["/source/0"])


def test_it_is_a_job_without_a_data_set_that_is_listed_and_deleted_like_any_other(api: Api) -> None:
    run = _ask(api).json()["run"]
    job = get(api, f"/v1/runs/{run}")["job"]
    api.trainers().work()

    shown = get(api, f"/v1/jobs/{job}")
    listed = get(api, "/v1/jobs?cell=inspect")["items"]
    deleted = api.client.delete(f"/v1/jobs/{job}")

    assert (shown["dataset"], shown["cell"], [one["id"] for one in listed]) == (None, "inspect", [job])
    assert deleted.status_code == 200, deleted.text
    assert api.client.get(f"/v1/inspections/{run}").status_code == 404


def test_a_run_of_another_cell_is_no_inspection(api: Api) -> None:
    run = get(api, f"/v1/datasets/{api.dataset()}")["run"]

    assert_refused(api.client.get(f"/v1/inspections/{run}"), status=404, code="not_found", pointers=[])


def _report(api: Api, dataset_id: str, text: str) -> None:
    with api.database.read() as session:
        folder = api.settings.artifacts / str(session.get_one(DatasetRow, dataset_id).path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(text)


def test_a_ready_data_set_shows_how_its_source_was_read(api: Api) -> None:
    dataset = api.ready_dataset()
    _report(api, dataset, json.dumps({"reading": inspection().model_dump(mode="json")}))

    assert get(api, f"/v1/datasets/{dataset}/inspection")["notes"] == ["No function has a commit."]


def test_a_data_set_without_a_reading_says_why(api: Api) -> None:
    preparing = api.dataset()
    pending = api.client.get(f"/v1/datasets/{preparing}/inspection")
    dataset = api.ready_dataset()
    missing = api.client.get(f"/v1/datasets/{dataset}/inspection")
    _report(api, dataset, "{}")
    old = api.client.get(f"/v1/datasets/{dataset}/inspection")
    _report(api, dataset, '{"reading": 5}')
    damaged = api.client.get(f"/v1/datasets/{dataset}/inspection")

    assert_refused(pending, status=409, code="conflict", pointers=[])
    assert_refused(missing, status=410, code="artifact_missing", pointers=[])
    assert "before readings were kept" in assert_refused(old, status=409, code="conflict", pointers=[])["detail"]
    assert_refused(damaged, status=410, code="artifact_missing", pointers=[])


def test_an_upload_stays_until_its_inspection_has_ended(api: Api) -> None:
    sent = api.client.put("/v1/uploads/functions.jsonl", content=b'{"func": "f", "target": 0}\n').json()
    other = api.client.put("/v1/uploads/other.jsonl", content=b"{}\n").json()
    job = get(api, f"/v1/runs/{_ask(api, source=[sent['source']]).json()['run']}")["job"]

    kept = assert_refused(api.client.delete(f"/v1/uploads/{sent['id']}"), status=409, code="still_used", pointers=[])
    api.trainers().work()

    assert job in json.dumps(kept)
    assert api.client.delete(f"/v1/uploads/{other['id']}").status_code == 200
    assert api.client.delete(f"/v1/uploads/{sent['id']}").status_code == 200


def test_an_upload_stays_until_every_data_set_of_several_files_is_ready(api: Api) -> None:
    names = ("functions.jsonl", "FUNCTIONS.jsonl.bak.jsonl", "functions.jsonl.bak.jsonl")
    first, other, second = (
        api.client.put(f"/v1/uploads/{name}", content=b'{"func": "f", "target": 0}\n').json() for name in names
    )
    body = {"name": "joined", "source": [second["source"], api.file()]}
    assert api.client.post("/v1/datasets", json=body).status_code == 202

    assert api.client.delete(f"/v1/uploads/{first['id']}").status_code == 200
    assert api.client.delete(f"/v1/uploads/{other['id']}").status_code == 200
    assert_refused(api.client.delete(f"/v1/uploads/{second['id']}"), status=409, code="still_used", pointers=[])
    api.trainers().work()
    assert api.client.delete(f"/v1/uploads/{second['id']}").status_code == 200


@pytest.mark.parametrize("route", ["/v1/inspections", "/v1/datasets"])
def test_an_upload_stays_while_a_folder_that_it_lies_in_is_still_to_be_read(api: Api, route: str) -> None:
    first, other = (
        # Each content has a folder of its own.
        api.client.put(f"/v1/uploads/{name}", content=b'{"func": "f", "target": 0}\n' * times).json()
        for name, times in (("functions.jsonl", 1), ("other.jsonl", 2))
    )
    body = {"source": str(Path(first["source"]).parent)} | ({"name": "folder"} if route == "/v1/datasets" else {})
    assert api.client.post(route, json=body).status_code == 202

    assert_refused(api.client.delete(f"/v1/uploads/{first['id']}"), status=409, code="still_used", pointers=[])
    assert api.client.delete(f"/v1/uploads/{other['id']}").status_code == 200
    api.trainers().work()
    assert api.client.delete(f"/v1/uploads/{first['id']}").status_code == 200
