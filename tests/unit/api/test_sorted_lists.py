"""Lists can be sorted, searched and counted, and their pages join without a gap under every order."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from sqlalchemy import update

from service.store import paging
from service.store.tables import ExperimentRow, JobRow, RunRow
from tests.api_client import Api, assert_refused, get

# With ties, without values, and with names that no pattern may take for its own signs.
NAMES = ["b%", "a_", "Ärger", "b%", "c\\", "a_", "zebra"]
SCORES = [0.9, None, 0.8, 0.9, None, 0.7, 0.8]


@pytest.fixture(scope="module")
def many(shared_api: Api) -> list[str]:
    """Ids of experiments with these names and scores, oldest first."""
    dataset = shared_api.ready_dataset()
    ids = [shared_api.experiment(dataset, name=name) for name in NAMES]
    with shared_api.database.begin() as session:
        for row_id, score in zip(ids, SCORES, strict=True):
            session.execute(update(ExperimentRow).where(ExperimentRow.id == row_id).values(best_f1=score, took_s=score))
    return ids


def pages(api: Api, path: str, *, limit: int) -> list[str]:
    """Ids of all pages, one after the other."""
    found: list[str] = []
    following: str | None = ""
    while following is not None:
        after = f"&after={following}" if following else ""
        page = get(api, f"{path}&limit={limit}{after}")
        found += [item["id"] for item in page["items"]]
        following = page["next"]
    return found


def in_order(ids: list[str], values: list[Any], *, descending: bool) -> list[str]:
    """The ids as an order has them, by the rule: by value, then by id, without a value last."""
    known = [(value, row_id) for value, row_id in zip(values, ids, strict=True) if value is not None]
    without = [row_id for value, row_id in zip(values, ids, strict=True) if value is None]
    found = [row_id for _, row_id in sorted(known, reverse=descending)]
    return found + sorted(without, reverse=descending)


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
@pytest.mark.parametrize("sort", ["created", "-created", "name", "-name", "f1", "-f1", "took", "-took"])
def test_the_pages_of_every_order_join_without_a_gap(shared_api: Api, many: list[str], sort: str, limit: int) -> None:
    values: dict[str, list[Any]] = {
        "created": list(many),
        "name": list(NAMES),
        "f1": list(SCORES),
        "took": list(SCORES),
    }

    found = pages(shared_api, f"/v1/experiments?sort={sort}", limit=limit)

    assert found == in_order(many, values[sort.removeprefix("-")], descending=sort.startswith("-"))


def test_runs_and_jobs_are_sorted_by_names_that_few_of_them_have(api: Api) -> None:
    api.experiment()
    api.trainers().work()
    ids = {kind: [item["id"] for item in get(api, f"/v1/{kind}?limit=500")["items"]] for kind in ("runs", "jobs")}
    with api.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.id == ids["runs"][2]).values(name="first"))
        session.execute(update(JobRow).where(JobRow.id == ids["jobs"][1]).values(name="first"))

    for kind, named in (("runs", ids["runs"][2]), ("jobs", ids["jobs"][1])):
        found = pages(api, f"/v1/{kind}?sort=name", limit=2)
        assert (found[0], sorted(found)) == (named, sorted(ids[kind]))


def test_runs_are_sorted_by_the_f1_and_the_time_that_they_show(api: Api) -> None:
    api.experiment()
    api.trainers().work()

    for sort, field in (("-f1", "f1"), ("-took", "running_s")):
        shown = [item[field] for item in get(api, f"/v1/runs?limit=500&sort={sort}")["items"]]
        known = [value for value in shown if value is not None]
        assert shown == [*sorted(known, reverse=True), *[None] * (len(shown) - len(known))]
    assert get(api, "/v1/runs?sort=-f1&limit=1")["items"][0]["f1"] is not None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("B%25", ["b%", "b%"]),
        ("_", ["a_", "a_"]),
        ("ÄRGER", ["Ärger"]),
        ("%5C", ["c\\"]),
        ("zeb", ["zebra"]),
        ("nothing", []),
        ("' OR 1=1 --", []),
    ],
)
@pytest.mark.usefixtures("many")
def test_a_search_finds_a_part_of_the_name_whatever_its_case(shared_api: Api, text: str, wanted: list[str]) -> None:
    found = get(shared_api, f"/v1/experiments?q={text}&total=true")

    assert sorted(item["name"] for item in found["items"]) == sorted(wanted)
    assert (found["total"], found["next"]) == (len(wanted), None)


@pytest.mark.parametrize("written", [str, str.lower])
@pytest.mark.parametrize("length", [5, 12, 30])
def test_a_search_finds_the_beginning_of_an_id(shared_api: Api, many: list[str], length: int, written: Any) -> None:
    beginning = written(many[3][:length])

    found = {item["id"] for item in get(shared_api, f"/v1/experiments?q={beginning}")["items"]}

    assert found == {row_id for row_id in many if row_id.startswith(many[3][:length])} != set()


def test_a_search_looks_at_so_many_rows_for_a_page_and_goes_on_at_the_next(
    shared_api: Api, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "LOOKED_AT", 3)

    for sort in ("-created", "name", "-f1"):
        first = get(shared_api, f"/v1/experiments?q=zebra&sort={sort}&total=true")
        assert len(first["items"]) <= 1
        assert first["total"] is None
        assert pages(shared_api, f"/v1/experiments?q=zebra&sort={sort}", limit=10) == [many[-1]]
        assert pages(shared_api, f"/v1/experiments?q=a&sort={sort}", limit=1) == pages(
            shared_api, f"/v1/experiments?q=a&sort={sort}", limit=10
        )


def test_a_total_counts_all_pages_and_stops_at_its_limit(
    shared_api: Api, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get(shared_api, "/v1/experiments?limit=2")["total"] is None
    assert get(shared_api, "/v1/experiments?limit=2&total=true")["total"] == len(many)

    monkeypatch.setattr(paging, "MOST_COUNTED", 3)
    assert get(shared_api, "/v1/experiments?limit=2&total=true")["total"] == 3


@pytest.mark.usefixtures("many")
def test_a_list_shows_what_belongs_to_one_owner_by_name_or_id(shared_api: Api) -> None:
    me = get(shared_api, "/v1/whoami")

    for path in ("experiments", "jobs", "runs", "datasets"):
        everything = get(shared_api, f"/v1/{path}?limit=500")["items"]
        for owner in (me["principal_id"], me["name"]):
            assert get(shared_api, f"/v1/{path}?limit=500&owner={owner}")["items"] == everything != []
        for owner in ("nobody", f"pri_{0:026}"):
            assert get(shared_api, f"/v1/{path}?owner={owner}")["items"] == []


def cursor(*parts: Any) -> str:
    """What looks like a cursor."""
    return urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


def test_a_cursor_of_another_order_is_refused_by_name(shared_api: Api, many: list[str]) -> None:
    by_name = get(shared_api, "/v1/experiments?sort=name&limit=1")["next"]
    for sort, found in (("-f1", by_name), ("-name", by_name), ("-created", by_name), ("name", many[0])):
        answer = shared_api.client.get(f"/v1/experiments?sort={sort}&after={found}")

        problem = assert_refused(answer, status=422, code="invalid_spec", pointers=["#query/after"])
        assert f"expected one of sort={sort}" in problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    "made",
    [
        "a",
        "ab",
        "_-_-",
        cursor("name"),
        cursor("f1", "text", f"exp_{0:026}"),
        cursor("f1", 10**400, f"exp_{0:026}"),
        cursor("f1", True, f"exp_{0:026}"),
        cursor("name", "\ud800", f"exp_{0:026}"),
        cursor("name", "a\x00", f"exp_{0:026}"),
        cursor("name", "a", "exp_1"),
        cursor(["name"], "a", f"exp_{0:026}"),
        urlsafe_b64encode(b"[" * 1200).rstrip(b"=").decode(),
        urlsafe_b64encode(b'["f1", NaN, "exp_00000000000000000000000000"]').rstrip(b"=").decode(),
    ],
)
@pytest.mark.parametrize("sort", ["name", "f1"])
def test_a_cursor_that_this_server_never_made_is_refused(shared_api: Api, sort: str, made: str) -> None:
    answer = shared_api.client.get(f"/v1/experiments?sort={sort}&after={made}")

    assert_refused(answer, status=422, code="invalid_spec", pointers=["#query/after"])


def test_a_sort_that_a_list_does_not_have_is_refused(shared_api: Api) -> None:
    for path in ("experiments?sort=age", "jobs?sort=f1", "datasets?sort=took", "runs?sort=--f1"):
        answer = shared_api.client.get(f"/v1/{path}")
        assert_refused(answer, status=422, code="invalid_request", pointers=["#query/sort"])
