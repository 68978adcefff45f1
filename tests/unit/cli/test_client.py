from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from cellgate.client._sync.client import Client
from cellgate.client.defaults import PACE_S
from cellgate.client.errors import OtherRelease, Refused, ServerAway
from cellgate.contract.api.experiments import ExperimentAnswer

EXPERIMENT = f"exp_{'A' * 26}"
Handler = Callable[[httpx.Request], httpx.Response]


def experiment(state: str) -> dict[str, Any]:
    return {
        "id": "exp_1",
        "name": "question",
        "dataset": "ds_1",
        "state": state,
        "autopilot": True,
        "seeds": [0],
        "labels": {},
        "spec": {},
        "jobs": [],
        "gate_verdict": "pending",
        "outcome": None,
        "failure_detail": None,
        "created_at": "2026-01-01T00:00:00Z",
        "finished_at": None,
    }


def client_of(handler: Handler, pauses: list[float] | None = None, *, patience_s: float = 60.0) -> Client:
    """A client whose network is `handler`, and which notes its pauses instead of making them."""
    noted = [] if pauses is None else pauses
    return Client("http://server", transport=httpx.MockTransport(handler), patience_s=patience_s, sleep=noted.append)


def test_a_lost_try_is_made_again_under_the_same_idempotency_key() -> None:
    # given a server that takes a submission but loses its first answer
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("connection reset", request=request)
        return httpx.Response(202, json=experiment("waiting"))

    # when one experiment is submitted
    with client_of(handler) as client:
        submitted = client.submit_experiment({"name": "question"})

    # then it was asked for twice under one key, which makes one experiment of it
    assert submitted.id == "exp_1"
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_two_submissions_have_two_keys() -> None:
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return httpx.Response(202, json=experiment("waiting"))

    with client_of(handler) as client:
        client.submit_experiment({"name": "question"})
        client.submit_experiment({"name": "question"})

    assert keys[0] != keys[1]


def test_a_server_that_is_never_there_is_named() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with client_of(handler, patience_s=0.0) as client, pytest.raises(ServerAway, match=r"http://server \(refused\)"):
        client.experiment(EXPERIMENT)


def test_a_proxy_that_says_the_server_is_away_is_retried() -> None:
    answers = [httpx.Response(503), httpx.Response(502), httpx.Response(200, json=experiment("training"))]

    with client_of(lambda _: answers.pop(0)) as client:
        assert client.experiment(EXPERIMENT).state == "training"


def test_a_refusal_lists_every_mistake_with_its_pointer() -> None:
    problem = {
        "status": 422,
        "code": "invalid_spec",
        "detail": "the request has 2 mistakes; nothing was done",
        "errors": [
            {"pointer": "/seeds/0", "detail": "found -1, expected 0 or more"},
            {"pointer": "", "detail": "no name"},
        ],
    }

    with client_of(lambda _: httpx.Response(422, json=problem)) as client, pytest.raises(Refused) as caught:
        client.submit_experiment({})

    assert caught.value.code == "invalid_spec"
    assert str(caught.value).splitlines() == [
        "the request has 2 mistakes; nothing was done",
        "  /seeds/0: found -1, expected 0 or more",
        "  (body): no name",
    ]


def test_a_refusal_that_is_no_problem_document_still_says_its_status() -> None:
    with client_of(lambda _: httpx.Response(418, text="short and stout")) as client, pytest.raises(Refused) as caught:
        client.experiment(EXPERIMENT)

    assert caught.value.problem.status == 418
    assert "short and stout" in str(caught.value)


def test_following_waits_with_the_etag_it_holds_and_asks_no_more_often_than_it_may() -> None:
    # given a server where nothing has changed at the second time of asking
    held: list[str | None] = []
    answers = [
        httpx.Response(200, json=experiment("training"), headers={"ETag": 'W/"1"', "Retry-After": "2"}),
        httpx.Response(304, headers={"ETag": 'W/"1"', "Retry-After": "5"}),
        httpx.Response(200, json=experiment("succeeded"), headers={"ETag": 'W/"2"'}),
    ]

    def handler(request: httpx.Request) -> httpx.Response:
        held.append(request.headers.get("If-None-Match"))
        return answers.pop(0)

    # when an experiment is followed to its end
    pauses: list[float] = []
    with client_of(handler, pauses) as client:
        path = "/v1/experiments/exp_1"
        states = [
            found.state.value
            for found in client.follow(path, ExperimentAnswer, ended=lambda found: found.state.terminal)
        ]

    # then unchanged resources were not yielded again
    assert states == ["training", "succeeded"]
    assert held == [None, 'W/"1"', 'W/"1"']
    assert pauses == [PACE_S] * 2


def test_a_list_is_read_page_by_page_to_its_end() -> None:
    def summary(identifier: str) -> dict[str, Any]:
        kept = ("name", "dataset", "state", "gate_verdict", "outcome", "labels", "created_at", "finished_at")
        whole = experiment("succeeded")
        nothing = dict.fromkeys(["overruled_by", "computed", "f1", "progress", "eta_s", "waiting", "took_s"])
        counted = {"runs_done": 1, "runs_total": 1, "gate_f1": 0.85, "steps": [], "dataset_name": "made"}
        return {"id": identifier, **nothing, **counted} | {name: whole[name] for name in kept}

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("after") == "exp_2":
            return httpx.Response(200, json={"items": [summary("exp_1")], "next": None})
        return httpx.Response(200, json={"items": [summary("exp_3"), summary("exp_2")], "next": "exp_2"})

    with client_of(handler) as client:
        assert [found.id for found in client.experiments()] == ["exp_3", "exp_2", "exp_1"]


def test_something_else_than_cellgate_at_that_address_is_distinguished() -> None:
    with client_of(lambda _: httpx.Response(200, text="<html>")) as client, pytest.raises(ServerAway, match="not Cell"):
        client.experiment(EXPERIMENT)


def test_a_server_of_an_older_release_is_told_from_none() -> None:
    old = {"id": "exp_1", "name": "first"}
    with (
        client_of(lambda _: httpx.Response(200, json={"items": [old], "next": None})) as client,
        pytest.raises(
            OtherRelease, match=r"answers /v1/experiments.* otherwise .*items\.0\..*Field required.*more"
        ) as caught,
    ):
        list(client.experiments())

    assert len(caught.value.mistakes) > 3
    assert "upgrade the server" in str(caught.value)


def test_the_token_is_sent() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json=experiment("training"))

    with Client("http://server", token="secret", transport=httpx.MockTransport(handler)) as client:
        client.experiment(EXPERIMENT)

    assert seen == ["Bearer secret"]


@pytest.mark.parametrize("run_id", ["run_1\nx", "run_1/../../workers", "run_1?limit=1", "run 1#x", "läuft"])
def test_an_id_is_one_segment_of_the_path_whatever_it_holds(run_id: str) -> None:
    paths: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(404, json={"code": "not_found", "detail": "there is no such run"})

    with client_of(handler) as client, pytest.raises(Refused, match="there is no such run"):
        client.run(run_id)

    assert paths == [f"/v1/runs/{quote(run_id, safe='')}"]


@pytest.mark.parametrize("fault", ["lost", "not sent"])
def test_a_deletion_whose_answer_was_lost_is_done_and_one_that_was_never_sent_is_not(fault: str) -> None:
    tries = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        if tries == 1:
            kind = httpx.ReadError if fault == "lost" else httpx.ConnectError
            raise kind("connection reset", request=request)
        return httpx.Response(404, json={"code": "not_found", "detail": "there is no run", "status": 404})

    with client_of(handler) as client:
        if fault == "lost":
            assert client.delete("runs", "run_1").counts == {"run": 1}
        else:
            with pytest.raises(Refused):
                client.delete("runs", "run_1")
    assert tries == 2
