"""The same request twice is one request, also at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import update

from cellgate.contract.api.tokens import Scope
from service.settings import Settings
from service.store.retention import forget_answers
from service.store.tables import IdempotencyRow
from service.store.tokens import create_token
from tests.api_client import Api, running_api

CALLERS = 20
KEY = {"Idempotency-Key": "the-only-one"}


def question(dataset: str, **versions: Any) -> dict[str, Any]:
    return {"name": "question", "dataset": dataset, "seeds": [0, 1], **versions}


def test_the_same_request_under_the_same_key_gets_the_same_answer_and_creates_once(api: Api) -> None:
    body = question(api.ready_dataset())
    first = api.client.post("/v1/experiments", json=body, headers=KEY)
    before, notified = api.counts(), len(api.notifier.notified)

    second = api.client.post("/v1/experiments", json=body, headers=KEY)

    assert (second.status_code, second.content) == (first.status_code, first.content) == (202, first.content)
    assert second.headers["Location"] == first.headers["Location"]
    assert api.counts() == before
    assert len(api.notifier.notified) == notified


def test_the_stored_answer_is_the_one_that_was_given_even_when_things_have_changed(api: Api) -> None:
    body = question(api.ready_dataset())
    first = api.client.post("/v1/experiments", json=body, headers=KEY)
    api.trainers().work()

    assert api.client.post("/v1/experiments", json=body, headers=KEY).json() == first.json()
    assert api.client.get(first.headers["Location"]).json()["state"] == "succeeded"


def test_a_data_set_sent_again_is_answered_even_when_its_file_is_gone(api: Api) -> None:
    body = {"name": "made", "source": api.file()}
    first = api.client.post("/v1/datasets", json=body, headers=KEY)
    Path(body["source"]).unlink()

    again = api.client.post("/v1/datasets", json=body, headers=KEY)
    without_key = api.client.post("/v1/datasets", json=body)

    assert (again.status_code, again.json()) == (202, first.json())
    assert without_key.status_code == 422


@pytest.mark.parametrize("path", ["/v1/experiments", "/v1/jobs", "/v1/datasets"])
def test_another_request_under_the_same_key_is_a_conflict_that_creates_nothing(api: Api, path: str) -> None:
    dataset = api.ready_dataset()
    api.client.post("/v1/experiments", json=question(dataset), headers=KEY)
    before = api.counts()
    bodies = {
        "/v1/experiments": question(dataset, name="another question"),
        "/v1/jobs": {"cell": 51, "dataset": dataset},
        "/v1/datasets": {"name": "made", "source": api.file()},
    }

    answer = api.client.post(path, json=bodies[path], headers=KEY)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "idempotency_mismatch")
    assert [mistake["pointer"] for mistake in problem["errors"]] == ["#header/Idempotency-Key"]
    assert api.counts() == before


def test_a_refused_request_does_not_use_up_its_key(api: Api) -> None:
    refused = api.client.post("/v1/experiments", json=question("ds_" + "0" * 26), headers=KEY)
    accepted = api.client.post("/v1/experiments", json=question(api.ready_dataset()), headers=KEY)

    assert (refused.status_code, accepted.status_code) == (422, 202)


def test_without_a_key_every_request_counts(api: Api) -> None:
    body = question(api.ready_dataset())

    ids = {api.client.post("/v1/experiments", json=body).json()["id"] for _ in range(2)}

    assert len(ids) == 2


def test_a_cancel_sent_twice_under_one_key_is_answered_twice(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}/cancel"

    first, second = (api.client.post(path, headers=KEY) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()


def test_twenty_callers_at_once_with_one_key_make_one_experiment(api: Api) -> None:
    body = question(api.ready_dataset())
    before = api.counts()
    together = Barrier(CALLERS)

    def call(_: int) -> Any:
        together.wait()
        return api.client.post("/v1/experiments", json=body, headers=KEY)

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(CALLERS)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    after = api.counts()
    assert (after["experiments"], after["runs"]) == (before["experiments"] + 1, before["runs"] + 1)


def test_keys_are_each_callers_own(settings: Settings) -> None:
    bootstrap = "correct-horse-battery-staple-and-cart"
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": bootstrap})) as api:
        with api.database.begin() as session:
            secrets = [create_token(session, name=name, scope=Scope.SUBMIT).secret for name in ("alice", "bob")]
        api.client.headers["Authorization"] = f"Bearer {secrets[0]}"
        body = question(api.ready_dataset())
        answers = [
            api.client.post("/v1/experiments", json=body, headers={**KEY, "Authorization": f"Bearer {secret}"}).json()
            for secret in (*secrets, *secrets)
        ]

    assert [answer["owner"] for answer in answers] == ["alice", "bob", "alice", "bob"]
    assert answers[:2] == answers[2:]
    assert answers[0]["id"] != answers[1]["id"]


def test_a_key_is_forgotten_after_a_day_and_the_request_is_done_again(api: Api) -> None:
    body = question(api.ready_dataset())
    first = api.client.post("/v1/experiments", json=body, headers=KEY).json()["id"]
    day_s = 86_400 * api.settings.keep_idempotency_days
    forget_answers(api.database, keep_s=day_s)
    assert api.client.post("/v1/experiments", json=body, headers=KEY).json()["id"] == first
    with api.database.begin() as session:
        session.execute(update(IdempotencyRow).values(created_at=IdempotencyRow.created_at - day_s))
    forget_answers(api.database, keep_s=day_s)

    again = api.client.post("/v1/experiments", json=body, headers=KEY).json()["id"]

    assert (again != first, day_s) == (True, 24 * 3600)
