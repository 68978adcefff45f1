"""Events are paged from either end."""

import re

from sqlalchemy import insert

from service.store.tables import EventRow
from tests.api_client import Api, assert_refused, begin, get

MANY = 1_200


def busy_run(api: Api) -> str:
    """Return the id of a run with more events than one page holds."""
    api.experiment()
    run = begin(api).run_id
    rows = [{"run_id": run, "attempt": 1, "kind": "warning", "at": float(n), "body": {"n": n}} for n in range(MANY)]
    with api.database.begin() as session:
        session.execute(insert(EventRow), rows)
    return run


def test_the_newest_events_come_first_and_every_one_is_reached_by_the_links(api: Api) -> None:
    run = busy_run(api)
    path = f"/v1/runs/{run}/events?order=desc&limit=500"
    pages = []
    while path:
        answer = api.client.get(path)
        pages.append([event["id"] for event in answer.json()])
        following = re.search(r'<([^>]+)>; rel="next"', answer.headers["Link"])
        path = following[1] if following else ""

    found = [event for page in pages for event in page]
    assert [len(page) for page in pages][:2] == [500, 500]
    assert found == sorted(found, reverse=True)
    assert len(found) == len(set(found)) > MANY
    assert get(api, f"/v1/runs/{run}/events?order=desc&limit=1")[0]["body"] == {"n": MANY - 1}


def test_without_an_order_the_oldest_come_first_as_before(api: Api) -> None:
    run = busy_run(api)

    first = api.client.get(f"/v1/runs/{run}/events?limit=2")

    assert [event["kind"] for event in first.json()] == ["transition", "transition"]
    assert f"after={first.json()[-1]['id']}" in first.headers["Link"]


def test_an_experiments_events_are_paged_from_the_end_too(api: Api) -> None:
    experiment = api.experiment()
    api.trainers().work()
    path = f"/v1/experiments/{experiment}/events"

    newest = get(api, f"{path}?order=desc&limit=1")
    before = get(api, f"{path}?order=desc&limit=1&before={newest[0]['id']}")

    assert newest[0]["body"]["to"] == "succeeded"
    assert before[0]["id"] < newest[0]["id"]


def test_an_order_that_is_none_is_refused(api: Api) -> None:
    run = busy_run(api)

    answer = api.client.get(f"/v1/runs/{run}/events?order=newest")

    assert_refused(answer, status=422, code="invalid_request", pointers=["#query/order"])
