"""Data sets of one name are versions; those for evaluation only are never trained on."""

from pathlib import Path
from typing import Any

import pytest

from service.store.dataset_versions import version_before
from service.store.datasets import get_dataset
from service.store.run_specs import trainer_spec
from tests.api_client import Api, assert_refused


def _add(api: Api, name: str = "mine", **more: Any) -> dict[str, Any]:
    answer = api.client.post("/v1/datasets", json={"name": name, "source": api.file(), **more})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def _found(api: Api, **query: Any) -> list[str]:
    return [item["id"] for item in api.client.get("/v1/datasets", params=query).json()["items"]]


def test_the_same_name_again_is_the_next_version(api: Api) -> None:
    first, other, second = _add(api), _add(api, "other"), _add(api)

    assert [first["version"], other["version"], second["version"]] == [1, 1, 2]
    assert _found(api, name="mine") == [second["id"], first["id"]]
    assert _found(api, name="mine", version=1) == [first["id"]]
    assert _found(api, name="nobody's") == []


def test_a_data_set_that_is_renamed_becomes_a_version_of_its_new_name(api: Api) -> None:
    first, other = _add(api), _add(api, "other")

    api.client.patch(f"/v1/datasets/{other['id']}", json={"name": "mine"})
    api.client.patch(f"/v1/datasets/{first['id']}", json={"name": "mine", "note": "as it was"})

    assert _found(api, name="mine", version=2) == [other["id"]]
    assert _found(api, name="mine", version=1) == [first["id"]]


def test_a_number_is_never_given_again_whatever_was_deleted_or_renamed(api: Api) -> None:
    made = [_add(api) for _ in range(3)]
    api.trainers().work()

    api.client.delete(f"/v1/datasets/{made[2]['id']}")
    api.client.patch(f"/v1/datasets/{made[1]['id']}", json={"name": "other"})
    after_one = _add(api)["version"]
    api.trainers().work()
    for found in _found(api, name="mine"):
        assert api.client.delete(f"/v1/datasets/{found}").status_code == 200

    assert after_one == 4
    assert _add(api)["version"] == 5
    assert _found(api, name="mine", version=3) == []


def test_a_version_is_compared_with_the_newest_ready_one_before(api: Api) -> None:
    first = _add(api)
    api.trainers().work()
    _failed, third = _add(api), _add(api)

    with api.database.read() as session:
        before = version_before(session, get_dataset(session, third["id"]), Path("/artifacts"))
        spec = trainer_spec(session, run_id=third["run"], artifacts=api.settings.artifacts)

    assert before is not None
    assert (before.id, before.version) == (first["id"], 1)
    assert spec["previous"]["id"] == first["id"]
    assert Path(spec["previous"]["path"]).is_absolute()


def test_several_files_and_folders_are_one_data_set(api: Api) -> None:
    files = [api.file("a.jsonl"), api.file("b.jsonl"), str(api.data)]

    made = api.client.post("/v1/datasets", json={"name": "mine", "source": files}).json()

    assert made["source"] == files
    with api.database.read() as session:
        spec = trainer_spec(session, run_id=made["run"], artifacts=api.settings.artifacts)
    assert spec["source"] == files


def test_every_source_that_cannot_be_read_is_named_at_once(api: Api) -> None:
    sources = [api.file(), str(api.data / "nowhere.jsonl"), "/etc/passwd"]

    answer = api.client.post("/v1/datasets", json={"name": "mine", "source": sources})

    assert_refused(answer, status=422, code="invalid_spec", pointers=["/source/1", "/source/2"])
    assert "--upload" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/experiments", {"name": "question", "seeds": [0]}),
        ("/v1/jobs", {"cell": 51, "seeds": [0]}),
        ("/v1/jobs", {"cell": 52, "seeds": [0]}),
        ("/v1/preflights", {"gnn": {}}),
        ("/v1/preflights", {"gnn": {}, "mode": "static"}),
    ],
)
def test_nothing_is_queued_on_a_set_for_evaluation_only(api: Api, path: str, body: dict[str, Any]) -> None:
    made = _add(api, evaluation="test")
    api.trainers().work()
    before = api.counts()

    answer = api.client.post(path, json={**body, "dataset": made["id"]})

    assert made["evaluation"] == "test"
    assert_refused(answer, status=422, code="invalid_spec", pointers=["/dataset"])
    assert "is for evaluation only: all of its functions are in test" in answer.json()["detail"]
    assert api.counts() == before
