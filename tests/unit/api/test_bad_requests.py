"""Every bad request is refused with a problem document that names each mistake, and nothing is created."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api_client import Api, assert_refused

NO_DATASET = "ds_" + "0" * 26
NO_EXPERIMENT = "exp_" + "0" * 26
NO_RUN = "run_" + "0" * 26
JSON = {"Content-Type": "application/json"}
QUESTION = {"name": "question", "dataset": NO_DATASET}


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One bad request and what it gets.

    Args:
        body: What is sent: bytes as they are, anything else as JSON.
    """

    what: str
    status: int
    code: str
    pointers: list[str] = field(default_factory=list)
    method: str = "POST"
    path: str = "/v1/experiments"
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


BAD_REQUESTS = [
    # The body as a whole.
    Bad(what="no body", status=422, code="invalid_request", pointers=[""]),
    Bad(what="null", body=b"null", status=422, code="invalid_request", pointers=[""]),
    Bad(what="a list", body=[], status=422, code="invalid_request", pointers=[""]),
    Bad(what="half a JSON object", body=b'{"name": ', status=400, code="malformed_json", pointers=[""]),
    Bad(what="not UTF-8", body=b'{"name": "\xff"}', status=400, code="malformed_json", pointers=[""]),
    Bad(
        what="JSON nested too deep",
        body=b'{"name": ' + b"[" * 64 + b"]" * 64 + b"}",
        status=413,
        code="body_too_complex",
    ),
    Bad(what="JSON of too many values", body=b"[" * 200_000, status=413, code="body_too_complex"),
    Bad(what="JSON in UTF-16", body='{"name": "q"}'.encode("utf-16"), status=400, code="malformed_json", pointers=[""]),
    Bad(
        what="a number of 5,000 digits",
        body=b'{"seeds": [' + b"9" * 5000 + b"]}",
        status=400,
        code="malformed_json",
        pointers=[""],
    ),
    Bad(what="larger than 1 MiB", body=b" " * ((1 << 20) + 1), status=413, code="body_too_large"),
    Bad(
        what="declared as text",
        body=b"{}",
        headers={"Content-Type": "text/plain"},
        status=415,
        code="unsupported_media_type",
    ),
    # Experiments.
    Bad(what="fields missing", body={}, status=422, code="invalid_request", pointers=["/name", "/dataset"]),
    Bad(
        what="an unknown field",
        body={**QUESTION, "thresholds": 1},
        status=422,
        code="invalid_request",
        pointers=["/thresholds"],
    ),
    Bad(
        what="an unknown field with a slash and a tilde in its name",
        body={**QUESTION, "a/b~c": 1},
        status=422,
        code="invalid_request",
        pointers=["/a~1b~0c"],
    ),
    Bad(
        what="an empty name",
        body={**QUESTION, "name": "  "},
        status=422,
        code="invalid_request",
        pointers=["/name"],
    ),
    Bad(
        what="the same seed twice",
        body={**QUESTION, "seeds": [0, 0]},
        status=422,
        code="invalid_spec",
        pointers=["/seeds"],
    ),
    Bad(what="no seeds", body={**QUESTION, "seeds": []}, status=422, code="invalid_request", pointers=["/seeds"]),
    Bad(
        what="33 seeds",
        body={**QUESTION, "seeds": list(range(33))},
        status=422,
        code="invalid_request",
        pointers=["/seeds"],
    ),
    Bad(
        what="a threshold that is not a number",
        body=b'{"name": "q", "dataset": "' + NO_DATASET.encode() + b'", "policy": {"gate_f1": NaN}}',
        status=422,
        code="invalid_request",
        pointers=["/policy/gate_f1"],
    ),
    Bad(
        what="half a surrogate pair as a name",
        body=b'{"name": "\\ud800", "dataset": "' + NO_DATASET.encode() + b'"}',
        status=422,
        code="invalid_request",
        pointers=["/name"],
    ),
    Bad(
        what="NUL characters deep in the config",
        body={
            **QUESTION,
            "transformer": {"model": {"checkpoint": "a\0b", "revision": "\0"}},
            "queue": "c\0",
        },
        status=422,
        code="invalid_spec",
        pointers=["/transformer/model/checkpoint", "/transformer/model/revision", "/queue"],
    ),
    Bad(
        what="many mistakes at once, deep in the configs of three cells",
        body={
            "name": "",
            "dataset": "made",
            "seeds": [0, -1],
            "transformer": {"training": {"epochs": 0, "learning_rate": {"value": 2}}},
            "gnn": {"model": {"width": 1}},
            "fusion": {"training": {"epohcs": 3}},
            "policy": {"gate_f1": 1.5, "fusion": "sometimes"},
            "queue": "No Such Queue!",
        },
        status=422,
        code="invalid_request",
        pointers=[
            "/dataset",
            "/fusion/training/epohcs",
            "/gnn/model/width",
            "/name",
            "/policy/fusion",
            "/policy/gate_f1",
            "/queue",
            "/seeds/1",
            "/transformer/training/epochs",
            "/transformer/training/learning_rate/value",
        ],
    ),
    Bad(what="an unknown data set", body=QUESTION, status=422, code="invalid_spec", pointers=["/dataset"]),
    # Jobs.
    Bad(what="a job without a cell", path="/v1/jobs", body={}, status=422, code="invalid_request", pointers=["/cell"]),
    Bad(what="cell 99", path="/v1/jobs", body={"cell": 99}, status=422, code="invalid_request", pointers=["/cell"]),
    Bad(
        what="the cell as a text",
        path="/v1/jobs",
        body={"cell": "51"},
        status=422,
        code="invalid_request",
        pointers=["/cell"],
    ),
    Bad(
        what="many mistakes in a job",
        path="/v1/jobs",
        body={"cell": 52, "dataset": "x", "seeds": [1, 1], "model": {"layers": 0}, "training": {"batch_size": 0}},
        status=422,
        code="invalid_request",
        pointers=["/dataset", "/model/layers", "/seeds", "/training/batch_size"],
    ),
    Bad(
        what="a job on nothing",
        path="/v1/jobs",
        body={"cell": 51},
        status=422,
        code="invalid_spec",
        pointers=["/dataset"],
    ),
    Bad(
        what="a job on a data set and in an experiment",
        path="/v1/jobs",
        body={"cell": 51, "dataset": NO_DATASET, "experiment": NO_EXPERIMENT},
        status=422,
        code="invalid_spec",
        pointers=["/dataset"],
    ),
    Bad(
        what="a job on an unknown data set",
        path="/v1/jobs",
        body={"cell": 51, "dataset": NO_DATASET},
        status=422,
        code="invalid_spec",
        pointers=["/dataset"],
    ),
    Bad(
        what="a job in an unknown experiment",
        path="/v1/jobs",
        body={"cell": 52, "experiment": NO_EXPERIMENT},
        status=422,
        code="invalid_spec",
        pointers=["/experiment"],
    ),
    Bad(
        what="fusion without an experiment",
        path="/v1/jobs",
        body={"cell": 53, "dataset": NO_DATASET},
        status=422,
        code="invalid_request",
        pointers=["/dataset", "/experiment"],
    ),
    Bad(
        what="fusion in an unknown experiment",
        path="/v1/jobs",
        body={"cell": 53, "experiment": NO_EXPERIMENT},
        status=422,
        code="invalid_spec",
        pointers=["/experiment"],
    ),
    # Data sets.
    Bad(
        what="many mistakes in a data set",
        path="/v1/datasets",
        body={"name": "", "source": 3, "splits": {"train": 0.9}, "honour_split": {"valid": ["validation"]}},
        status=422,
        code="invalid_request",
        pointers=["/honour_split/valid/0", "/name", "/source", "/splits"],
    ),
    Bad(
        what="booleans for numbers, and a number for a boolean",
        path="/v1/prune",
        body={"older_than_days": False, "dry_run": 0},
        status=422,
        code="invalid_request",
        pointers=["/dry_run", "/older_than_days"],
    ),
    Bad(
        what="a boolean among numbers, and deeper down",
        body={**QUESTION, "seeds": [0, True], "policy": {"trials": True, "ship_tuned_ensemble": 1}},
        status=422,
        code="invalid_request",
        pointers=["/policy/ship_tuned_ensemble", "/policy/trials", "/seeds/1"],
    ),
    # Paths, queries, headers.
    Bad(what="an unknown path", method="GET", path="/v1/models", status=404, code="not_found"),
    Bad(
        what="a method that is not there, with a body of any type",
        path="/v1/uploads/made.jsonl",
        body=b"int f(void);",
        headers={"Content-Type": "application/octet-stream"},
        status=405,
        code="method_not_allowed",
    ),
    Bad(what="a method that is not there", method="DELETE", path="/v1/runs", status=405, code="method_not_allowed"),
    Bad(what="an unknown run", method="GET", path=f"/v1/runs/{NO_RUN}", status=404, code="not_found"),
    Bad(what="an unknown run's log", method="GET", path=f"/v1/runs/{NO_RUN}/logs", status=404, code="not_found"),
    Bad(
        what="an unknown gate", method="GET", path=f"/v1/experiments/{NO_EXPERIMENT}/gate", status=404, code="not_found"
    ),
    Bad(what="cancelling nothing", path=f"/v1/runs/{NO_RUN}/cancel", status=404, code="not_found"),
    Bad(
        what="an id that is none",
        method="GET",
        path="/v1/runs/7",
        status=422,
        code="invalid_request",
        pointers=["#path/run_id"],
    ),
    Bad(
        what="an id with a NUL character",
        method="GET",
        path=f"/v1/runs/{NO_RUN}%00",
        status=422,
        code="invalid_request",
        pointers=["#path/run_id"],
    ),
    Bad(
        what="a page of nothing after a cursor that is none",
        method="GET",
        path="/v1/experiments?limit=0&after=%00",
        status=422,
        code="invalid_request",
        pointers=["#query/after", "#query/limit"],
    ),
    Bad(
        what="an unknown state",
        method="GET",
        path="/v1/runs?state=odd",
        status=422,
        code="invalid_request",
        pointers=["#query/state/0"],
    ),
    Bad(
        what="metric keys with a NUL character",
        method="GET",
        path=f"/v1/runs/{NO_RUN}/metrics?keys=%00",
        status=422,
        code="invalid_request",
        pointers=["#query/keys"],
    ),
    Bad(
        what="an Idempotency-Key of 256 characters",
        body=QUESTION,
        headers={"Idempotency-Key": "k" * 256},
        status=422,
        code="invalid_request",
        pointers=["#header/Idempotency-Key"],
    ),
]


def send(api: Api, bad: Bad) -> Any:
    content = bad.body if isinstance(bad.body, bytes | None) else json.dumps(bad.body).encode()
    return api.client.request(bad.method, bad.path, content=content, headers=JSON | bad.headers)


@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: bad.what)
def test_a_bad_request_names_every_mistake_and_creates_nothing(api: Api, bad: Bad) -> None:
    before = api.counts()

    answer = send(api, bad)

    assert_refused(answer, status=bad.status, code=bad.code, pointers=bad.pointers)
    assert api.counts() == before
    assert api.notifier.notified == []
    # A question changes nothing anyway: it is not told so.
    assert bad.method != "GET" or "nothing was" not in answer.json()["detail"]
