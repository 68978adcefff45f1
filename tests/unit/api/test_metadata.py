"""PATCH: name, note, labels and archiving of every kind of thing, as a merge patch."""

from typing import Any

import pytest

from tests.api_client import Api, assert_refused, get


def paths_of_things(api: Api) -> dict[str, str]:
    """Make one thing of each kind and return its path."""
    experiment = api.experiment(labels={"team": "core"})
    api.trainers().work()
    found = get(api, f"/v1/experiments/{experiment}")
    bundle = api.client.post(f"/v1/experiments/{experiment}/bundle").json()["id"]
    upload = api.client.put("/v1/uploads/a.jsonl", content=b"{}\n").json()["id"]
    ids = {
        "experiments": experiment,
        "jobs": found["jobs"][0]["id"],
        "runs": found["jobs"][0]["runs"][0]["id"],
        "datasets": found["dataset"],
        "bundles": bundle,
        "uploads": upload,
    }
    return {kind: f"/v1/{kind}/{found_id}" for kind, found_id in ids.items()}


@pytest.fixture
def things(api: Api) -> dict[str, str]:
    """Paths of one thing of each kind."""
    return paths_of_things(api)


@pytest.fixture(scope="module")
def kept_things(shared_api: Api) -> dict[str, str]:
    """The same, for tests that change none of them."""
    return paths_of_things(shared_api)


def check_patched(api: Api, things: dict[str, str], kind: str) -> None:
    before = get(api, things[kind])

    patched = api.client.patch(
        things[kind],
        content=b'{"name": "renamed", "note": "kept for the paper", "labels": {"stage": "final", "team": null}}',
        headers={"Content-Type": "application/merge-patch+json"},
    )
    after = get(api, things[kind])
    removed = api.client.patch(things[kind], json={"note": None, "labels": None}).json()

    assert patched.status_code == 200, patched.text
    assert {"name": "renamed", "note": "kept for the paper", "labels": {"stage": "final"}}.items() <= after.items()
    described = {"name", "note", "labels"}
    assert {key: after[key] for key in before if key not in described} == {
        key: before[key] for key in before if key not in described
    }
    assert (removed["name"], removed["note"], removed["labels"]) == ("renamed", None, {})


def test_a_patch_changes_what_it_names_and_nothing_else(api: Api, things: dict[str, str]) -> None:
    for kind in things:
        check_patched(api, things, kind)


def check_listed(api: Api, things: dict[str, str], kind: str) -> None:
    found_id = things[kind].rpartition("/")[2]

    def listed(query: str) -> bool:
        return found_id in [item["id"] for item in get(api, f"/v1/{kind}?limit=500{query}")["items"]]

    api.client.patch(things[kind], json={"archived": True, "labels": {"year": "2026"}})

    assert [listed(query) for query in ("", "&archived=false", "&archived=true", "&archived=all")] == [
        False,
        False,
        True,
        True,
    ]
    assert [listed(f"&archived=all&label=year:{year}") for year in (2026, 2025)] == [True, False]
    api.client.patch(things[kind], json={"archived": False})
    assert listed("")


def test_lists_leave_archived_things_out_unless_they_are_asked(api: Api, things: dict[str, str]) -> None:
    for kind in things:
        check_listed(api, things, kind)


def check_a_change_needs_the_versio(api: Api, things: dict[str, str], kind: str) -> None:
    seen = api.client.get(things[kind]).headers["ETag"]
    first = api.client.patch(things[kind], json={"note": "first"}, headers={"If-Match": seen})
    late = api.client.patch(things[kind], json={"note": "late"}, headers={"If-Match": seen})
    unseen = api.client.delete(things[kind], headers={"If-Match": seen})
    foreign = api.client.patch(things[kind], json={"note": "x"}, headers={"If-Match": '"something"'})
    any_version = api.client.patch(things[kind], json={"note": "any"}, headers={"If-Match": "*"})
    newest = api.client.patch(things[kind], json={"note": "last"}, headers={"If-Match": any_version.headers["ETag"]})

    assert first.status_code == 200, first.text
    for refused in (late, unseen, foreign):
        assert_refused(refused, status=412, code="precondition_failed", pointers=[])
    assert newest.json()["note"] == "last"


def test_a_change_needs_the_version_that_if_match_names(api: Api, things: dict[str, str]) -> None:
    for kind in things:
        check_a_change_needs_the_versio(api, things, kind)


def test_a_poller_of_an_experiment_sees_that_a_run_of_it_was_renamed(api: Api, things: dict[str, str]) -> None:
    etags = {kind: api.client.get(things[kind]).headers["ETag"] for kind in ("experiments", "jobs", "runs")}

    api.client.patch(things["runs"], json={"name": "the good one"})

    for kind, etag in etags.items():
        assert api.client.get(things[kind], headers={"If-None-Match": etag}).status_code == 200, kind


@pytest.mark.parametrize(
    ("kind", "patch", "pointers"),
    [
        ("experiments", {}, [""]),
        ("experiments", {"name": None}, ["/name"]),
        ("datasets", {"name": " "}, ["/name"]),
        ("runs", {"labels": {"No!": "x", "ok": "-"}}, ["/labels/No!/[key]", "/labels/ok"]),
        ("runs", {"labels": {f"k{n}": "v" for n in range(17)}}, ["/labels"]),
        ("jobs", {"state": "succeeded"}, ["/state"]),
    ],
)
def test_a_patch_that_cannot_be_applied_names_every_mistake(
    shared_api: Api, kept_things: dict[str, str], kind: str, patch: dict[str, Any], pointers: list[str]
) -> None:
    before = get(shared_api, kept_things[kind])

    answer = shared_api.client.patch(kept_things[kind], json=patch)

    assert answer.status_code == 422, answer.text
    assert sorted(mistake["pointer"] for mistake in answer.json()["errors"]) == sorted(pointers), answer.text
    assert get(shared_api, kept_things[kind]) == before
