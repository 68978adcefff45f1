"""A GET can wait until what the caller holds is no longer so."""

import asyncio
import threading
import time
from collections.abc import Collection

import pytest
from sqlalchemy.exc import OperationalError

from cellgate.contract.states import FailureReason
from service.api.batch_reader import BatchReader
from service.store.lifecycle import fail, renew
from service.store.recorder import record_progress
from service.store.versions import PollState
from tests.api_client import Api, begin, get
from tests.statements import counted_statements


def running_api(statements: list[str]) -> list[str]:
    """The statements without those that begin a transaction."""
    return [one for one in statements if not one.startswith("BEGIN")]


def test_what_is_polled_unchanged_costs_one_statement(api: Api) -> None:
    finished = api.experiment()
    api.trainers().work()
    job = get(api, f"/v1/experiments/{finished}")["jobs"][0]
    queued = api.experiment()
    run = f"/v1/runs/{job['runs'][0]['id']}"
    idle = [f"/v1/experiments/{finished}", f"/v1/jobs/{job['id']}", run]
    for path in (*idle, f"{run}/status", f"/v1/experiments/{queued}/status"):
        with counted_statements() as first:
            held = {"If-None-Match": api.client.get(path).headers["ETag"]}
        with counted_statements() as again:
            unchanged = api.client.get(path, headers=held)

        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert len(running_api(again)) == 1
        if path.endswith("status"):
            # A run's state comes with its version.
            assert len(running_api(first)) == (1 if path.startswith(run) else 2)


def test_those_who_ask_while_another_is_being_answered_are_answered_together() -> None:
    asked_for: list[set[str]] = []
    may_answer = threading.Event()

    def read(ids: Collection[str]) -> dict[str, PollState]:
        asked_for.append(set(ids))
        may_answer.wait(30)
        return {row_id: PollState(version=len(asked_for), ended=False, waits=False, eta_s=None) for row_id in ids}

    async def ask() -> list[PollState | None]:
        load_poll_states = BatchReader(read)
        first = asyncio.create_task(load_poll_states.of("run_0"))
        while not asked_for:
            await asyncio.sleep(0)
        others = [asyncio.create_task(load_poll_states.of(f"run_{number % 3}")) for number in range(9)]
        await asyncio.sleep(0)
        others[0].cancel()
        may_answer.set()
        return await asyncio.gather(first, *others[1:])

    found = asyncio.run(ask())

    assert asked_for == [{"run_0"}, {"run_0", "run_1", "run_2"}]
    assert [poll_state and poll_state.version for poll_state in found] == [1] + [2] * 8


def test_a_database_that_does_not_answer_is_reported_to_every_request() -> None:
    def read(_: Collection[str]) -> dict[str, PollState]:
        raise OperationalError("SELECT", {}, RuntimeError("gone"))

    async def ask() -> list[PollState | BaseException | None]:
        load_poll_states = BatchReader(read)
        return await asyncio.gather(*(load_poll_states.of("run_0") for _ in range(3)), return_exceptions=True)

    assert [type(found) for found in asyncio.run(ask())] == [OperationalError] * 3


@pytest.mark.parametrize("tail", ["", "/status"])
def test_who_waits_is_answered_as_soon_as_it_changes(api: Api, tail: str) -> None:
    api.dataset()
    claim = begin(api)
    path = f"/v1/runs/{claim.run_id}{tail}"
    etag = api.client.get(path).headers["ETag"]
    changed = threading.Timer(0.5, lambda: _progress(api, claim.run_id, claim.attempt))
    changed.start()

    begun = time.monotonic()
    answer = api.client.get(f"{path}?wait=60", headers={"If-None-Match": etag})
    took_s = time.monotonic() - begun
    changed.join()

    assert (answer.status_code, answer.json()["progress"]["steps_done"]) == (200, 7)
    assert 0.4 < took_s < 50


def test_who_holds_nothing_or_something_older_is_answered_at_once(api: Api) -> None:
    api.dataset()
    claim = begin(api)
    path = f"/v1/runs/{claim.run_id}/status"
    old = api.client.get(path).headers["ETag"]
    _progress(api, claim.run_id, claim.attempt)

    begun = time.monotonic()
    nothing = api.client.get(f"{path}?wait=60")
    older = api.client.get(f"{path}?wait=60", headers={"If-None-Match": old})
    foreign = api.client.get(f"{path}?wait=60", headers={"If-None-Match": 'W/"something else"'})

    assert [answer.status_code for answer in (nothing, older, foreign)] == [200, 200, 200]
    assert time.monotonic() - begun < 50


def test_nothing_new_within_the_time_is_304(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}/status"
    etag = api.client.get(path).headers["ETag"]

    begun = time.monotonic()
    answer = api.client.get(f"{path}?wait=1", headers={"If-None-Match": etag})

    assert answer.status_code == 304
    assert time.monotonic() - begun >= 1


def test_a_run_that_is_about_to_end_is_polled_more_often_than_one_that_has_hours_to_go(api: Api) -> None:
    api.dataset()
    claim = begin(api)
    pace = {}
    for eta_s in (7200.0, 90.0, 3.0):
        _progress(api, claim.run_id, claim.attempt, eta_s=eta_s)
        pace[eta_s] = api.client.get(f"/v1/runs/{claim.run_id}/status").headers["Retry-After"]
    with api.database.begin() as session:
        fail(session, run_id=claim.run_id, attempt=claim.attempt, reason=FailureReason.STALLED, detail="nothing said")

    assert pace == {7200.0: "5", 90.0: "3", 3.0: "1"}
    assert api.client.get(f"/v1/runs/{claim.run_id}/status").headers["Retry-After"] == "30"


def test_a_renewed_lease_is_no_change(api: Api) -> None:
    api.dataset()
    claim = begin(api)
    path = f"/v1/runs/{claim.run_id}/status"
    held = {"If-None-Match": api.client.get(path).headers["ETag"]}
    with api.database.begin() as session:
        renew(session, run_id=claim.run_id, attempt=claim.attempt, lease_s=60)

    assert api.client.get(path, headers=held).status_code == 304


def test_curves_of_other_lengths_are_other_answers(api: Api) -> None:
    api.dataset()
    claim = begin(api)
    path = f"/v1/runs/{claim.run_id}/metrics"
    tags = {api.client.get(path + query).headers["ETag"] for query in ("", "?max_points=4", "?max_points=5", "?keys=a")}

    assert len(tags) == 4


def _progress(api: Api, run_id: str, attempt: int, eta_s: float | None = None) -> None:
    with api.database.begin() as session:
        record_progress(session, run_id=run_id, attempt=attempt, steps_done=7, steps_total=10, eta_s=eta_s)
