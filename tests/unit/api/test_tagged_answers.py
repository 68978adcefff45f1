"""Every list, gate, decision and page of events has an entity tag; some lists can be waited for."""

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from service.api.list_watch import LOOK_EVERY_S, ListWatch
from service.store.recorder import record_progress
from service.store.workers import register_worker
from tests.api_client import Api, begin, get

LISTS = [
    *(f"/v1/{name}" for name in ("datasets", "uploads", "experiments", "jobs", "runs", "bundles", "workers", "queues")),
    *(f"/v1/{name}" for name in ("cells", "tokens", "webhooks", "audit", "overview")),
]
ALWAYS: Any = None  # a permit is looked at only after two seconds
WAITING = ["/v1/overview", "/v1/experiments?sort=-f1&limit=5"]


@pytest.fixture(scope="module")
def decided(shared_api: Api) -> str:
    """Path of an experiment that has decided."""
    experiment = shared_api.experiment()
    shared_api.trainers().work()
    return f"/v1/experiments/{experiment}"


def held(api: Api, path: str) -> dict[str, str]:
    """The header that names what the answer is now."""
    return {"If-None-Match": f'"other", {api.client.get(path).headers["ETag"]}'}


@pytest.mark.usefixtures("decided")
@pytest.mark.parametrize("path", LISTS)
def test_a_list_that_has_not_changed_is_not_sent_again(shared_api: Api, path: str) -> None:
    first = shared_api.client.get(path)
    again = shared_api.client.get(path, headers=held(shared_api, path))

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers.get("Link") == first.headers.get("Link")
    assert first.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("part", ["gate", "decision", "decisions", "events", "events?order=desc&limit=3"])
def test_what_stands_of_an_experiment_is_sent_once(shared_api: Api, decided: str, part: str) -> None:
    path = f"{decided}/{part}"

    assert shared_api.client.get(path, headers=held(shared_api, path)).status_code == 304


def test_a_change_is_sent_to_who_holds_what_was_before(api: Api) -> None:
    experiment = api.experiment()
    for path in ("/v1/experiments", "/v1/overview"):
        before = held(api, path)
        api.client.patch(f"/v1/experiments/{experiment}", json={"name": f"renamed for {path}"})

        answer = api.client.get(path, headers=before)

        assert answer.status_code == 200
        assert f"renamed for {path}" in answer.text


def test_pages_of_one_list_have_tags_of_their_own(shared_api: Api, decided: str) -> None:
    first, last = (shared_api.client.get(f"{decided}/events?limit=2&order={order}") for order in ("asc", "desc"))

    assert first.headers["ETag"] != last.headers["ETag"]


def later(api: Api, path: str) -> "Future[int]":
    """The status of a request that waits, and has begun to."""
    begun = ThreadPoolExecutor(1).submit(
        api.client.get, f"{path}{'&' if '?' in path else '?'}wait=30", headers=held(api, path)
    )
    time.sleep(3 * LOOK_EVERY_S)
    assert not begun.done()
    return ThreadPoolExecutor(1).submit(lambda: begun.result().status_code)


@pytest.mark.parametrize("path", WAITING)
def test_a_request_waits_for_a_change_that_another_process_makes(api: Api, path: str) -> None:
    api.experiment()
    claim = begin(api)
    waiting = later(api, path)

    with api.database.begin() as session:
        record_progress(session, run_id=claim.run_id, attempt=claim.attempt, steps_done=5, steps_total=10)

    assert waiting.result(timeout=20) == 200


def test_a_worker_that_comes_wakes_who_waits_for_one(api: Api) -> None:
    api.experiment()
    assert [item["kind"] for item in get(api, "/v1/overview")["attention"]] == ["no_worker"]
    waiting = later(api, "/v1/overview")

    with api.database.begin() as session:
        register_worker(session, worker_id="w", queues=["cpu"], slots=1)

    assert waiting.result(timeout=20) == 200
    assert get(api, "/v1/overview")["attention"] == []


def test_without_a_change_a_request_waits_until_its_time_is_over(shared_api: Api, decided: str) -> None:
    assert decided
    path = "/v1/overview"
    begun = time.monotonic()

    answer = shared_api.client.get(f"{path}?wait=1", headers=held(shared_api, path))

    assert (answer.status_code, answer.content) == (304, b"")
    assert time.monotonic() - begun >= 1


def test_who_holds_nothing_or_what_is_old_does_not_wait(shared_api: Api) -> None:
    for headers in ({}, {"If-None-Match": 'W/"old"'}):
        assert shared_api.client.get("/v1/overview?wait=60", headers=headers).status_code == 200


def test_what_many_wait_for_is_made_once_for_each_change() -> None:
    marks = iter(range(100))
    made: list[int] = []

    async def ask() -> list[int]:
        lists = ListWatch(lambda: next(marks))

        async def make() -> int:
            made.append(lists.changes)
            await asyncio.sleep(0)
            return len(made)

        async def changed(seen: int) -> int:
            await lists.wait(seen, timeout_s=30, permit=ALWAYS)
            return await lists.shared("key", make)

        first = await asyncio.gather(*(changed(0) for _ in range(8)))
        second = await asyncio.gather(*(changed(lists.changes) for _ in range(8)))
        return [*first, *second]

    assert asyncio.run(ask()) == [1] * 8 + [2] * 8
    assert len(made) == 2


def test_what_could_not_be_made_is_made_again_for_the_next_who_asks() -> None:
    async def ask() -> str:
        lists = ListWatch(lambda: 0)

        async def fail() -> str:
            raise RuntimeError("the database is away")

        async def make() -> str:
            return "made"

        with pytest.raises(RuntimeError):
            await lists.shared("key", fail)
        return await lists.shared("key", make)

    assert asyncio.run(ask()) == "made"
