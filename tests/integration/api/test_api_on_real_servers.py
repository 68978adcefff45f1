"""The API over PostgreSQL and a real broker: what differs from SQLite and a silent notifier."""

import json
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient

from service.app import create_app
from service.broker.notify import CeleryNotifier
from service.settings import Settings
from tests.api_client import Api, running_api

CALLERS = 100
CLOSED_PORT = "redis://127.0.0.1:1/0"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a service over a migrated database, once SQLite and once PostgreSQL."""
    return Settings.model_validate({"data_dir": tmp_path / "var", "database_url": database_url})


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """The app, started."""
    with running_api(settings) as app:
        yield app


@pytest.mark.alike
def test_a_file_becomes_a_decision_over_http(api: Api) -> None:
    experiment = api.experiment()
    api.trainers().work()

    ended = api.client.get(f"/v1/experiments/{experiment}").json()
    decision = api.client.get(f"/v1/experiments/{experiment}/decision").json()

    assert (ended["state"], ended["gate_verdict"], ended["outcome"]) == ("succeeded", "pass", "ensemble")
    assert decision["outcome"] == "ensemble"
    for kind in ("datasets", "experiments", "jobs", "runs"):
        assert api.client.get(f"/v1/{kind}").json()["items"]
    run = ended["jobs"][1]["runs"][0]["id"]
    for what in ("metrics", "events", "logs"):
        assert api.client.get(f"/v1/runs/{run}/{what}").status_code == 200
    assert api.client.get("/readyz").json()["ready"]


def test_a_hundred_callers_at_once_with_one_key_make_one_experiment(api: Api) -> None:
    body = {"name": "question", "dataset": api.ready_dataset()}
    before = api.counts()
    together = Barrier(CALLERS)

    def call(_: int) -> Any:
        together.wait()
        return api.client.post("/v1/experiments", json=body, headers={"Idempotency-Key": "the-only-one"})

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(CALLERS)))

    assert {answer.status_code for answer in answers} == {202}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert api.counts()["experiments"] == before["experiments"] + 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/experiments", {"name": "a\0b", "dataset": "ds_" + "0" * 26}),
        ("POST", "/v1/jobs", {"cell": 51, "dataset": "ds_" + "0" * 26, "model": {"checkpoint": "\0"}}),
        ("POST", "/v1/datasets", {"name": "made", "source": "x", "honour_split": {"\0": ["train"]}}),
        ("GET", "/v1/experiments?after=%00", None),
        ("GET", "/v1/runs/run_" + "0" * 26 + "/metrics?keys=%00", None),
        ("GET", "/v1/runs/%00", None),
    ],
)
def test_what_a_database_cannot_keep_is_refused_before_it_gets_there(
    api: Api, method: str, path: str, body: dict[str, Any] | None
) -> None:
    assert api.client.request(method, path, json=body).status_code == 422


def test_text_of_every_alphabet_comes_back_as_it_was_sent(api: Api) -> None:
    name = "Ungültig · 무효 · \U0001f9ea"

    made = api.client.post("/v1/datasets", json={"name": name, "source": api.file("größe.jsonl")}).json()

    assert api.client.get(f"/v1/datasets/{made['id']}").json()["name"] == name


def test_a_submission_puts_one_message_that_names_the_run_into_its_queue(
    settings: Settings, api: Api, redis_url: str
) -> None:
    dataset = api.ready_dataset()
    notifier = CeleryNotifier(redis_url)
    job = {"cell": 51, "dataset": dataset, "seeds": [0, 1], "queue": "gpu"}

    with TestClient(create_app(settings, notifier=notifier), base_url="http://localhost") as client:
        checks = client.get("/readyz").json()["checks"]
        assert {name: check["ok"] for name, check in checks.items()} == dict.fromkeys(
            ["database", "migrations", "broker", "workers", "storage", "background"], True
        )
        runs = {run["id"] for run in client.post("/v1/jobs", json=job).json()["runs"]}
    notifier.close()

    with redis.Redis.from_url(redis_url) as broker:
        messages = [json.loads(message) for message in broker.lrange("gpu", 0, -1)]
        assert broker.llen("cpu") == 0
    assert [message["headers"]["task"] for message in messages] == ["cellgate.notify"] * 2
    assert {json.loads(b64decode(message["body"]))[1]["run_id"] for message in messages} == runs


def test_a_bell_whose_broker_is_away_says_so_and_raises_nothing() -> None:
    notifier = CeleryNotifier(CLOSED_PORT)

    assert (notifier.notify("run_1", "cpu"), notifier.problem()) == (False, "it does not answer")
    notifier.close()


def test_a_bell_whose_broker_refuses_says_so_and_raises_nothing(redis_url: str) -> None:
    notifier = CeleryNotifier(redis_url)
    assert notifier.notify("run_1", "cpu")

    with redis.Redis.from_url(redis_url) as broker:
        broker.config_set("maxmemory-policy", "noeviction")
        broker.config_set("maxmemory", 1)
        try:
            notified = notifier.notify("run_2", "cpu")
        finally:
            broker.config_set("maxmemory", 0)

    assert not notified
    assert notifier.notify("run_3", "cpu")
    notifier.close()


def test_a_submission_is_kept_while_the_broker_is_away(settings: Settings, api: Api) -> None:
    dataset = api.ready_dataset()
    notifier = CeleryNotifier(CLOSED_PORT)

    with TestClient(create_app(settings, notifier=notifier), base_url="http://localhost") as client:
        answer = client.post("/v1/jobs", json={"cell": 51, "dataset": dataset, "seeds": [0]})
        assert client.get("/readyz").status_code == 503
    notifier.close()

    assert answer.status_code == 202
    assert [run["state"] for run in answer.json()["runs"]] == ["queued"]
