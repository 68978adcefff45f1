"""Every bad request is refused with a problem document that names each mistake, and nothing is created."""

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.domain.states import FailureReason
from tests.asked import FUNCTIONS, Api
from trainers.specs import Cell

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
    Bad(what="JSON nested too deep", body=b"[" * 200_000, status=400, code="malformed_json", pointers=[""]),
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
        code="invalid_request",
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
    Bad(what="cell 55", path="/v1/jobs", body={"cell": 55}, status=422, code="invalid_request", pointers=["/cell"]),
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
    # Paths, queries, headers.
    Bad(what="an unknown path", method="GET", path="/v1/models", status=404, code="not_found"),
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
        pointers=["#query/state"],
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


def assert_refused(answer: Any, *, status: int, code: str, pointers: list[str]) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), problem
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"] == problem["trace_id"] != ""
    assert sorted(mistake["pointer"] for mistake in problem["errors"]) == sorted(pointers), problem
    assert all(mistake["detail"] for mistake in problem["errors"])
    return problem


@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: bad.what)
def test_a_bad_request_names_every_mistake_and_creates_nothing(api: Api, bad: Bad) -> None:
    before = api.counts()

    answer = send(api, bad)

    assert_refused(answer, status=bad.status, code=bad.code, pointers=bad.pointers)
    assert api.counts() == before
    assert api.bell.rung == []


def _text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _outside(data: Path) -> Path:
    return _text(data.parent / "outside.jsonl", json.dumps(FUNCTIONS[0]))


def _dots(data: Path) -> Path:
    return data / ".." / _outside(data).name


def _link(data: Path) -> Path:
    (data / "link.jsonl").symlink_to(_outside(data))
    return data / "link.jsonl"


def _linked_folder(data: Path) -> Path:
    _outside(data)
    (data / "up").symlink_to(data.parent)
    return data / "up" / "outside.jsonl"


def _sibling(data: Path) -> Path:
    folder = data.with_name(data.name + "-of-somebody-else")
    folder.mkdir()
    return _text(folder / "functions.jsonl", json.dumps(FUNCTIONS[0]))


def _loop(data: Path) -> Path:
    (data / "loop.jsonl").symlink_to(data / "loop.jsonl")
    return data / "loop.jsonl"


def _folder(data: Path) -> Path:
    (data / "folder.jsonl").mkdir()
    return data / "folder.jsonl"


def _pipe(data: Path) -> Path:
    os.mkfifo(data / "pipe.jsonl")
    return data / "pipe.jsonl"


def _damaged(data: Path) -> Path:
    whole = gzip.compress(json.dumps(FUNCTIONS[0]).encode() * 50)
    (data / "damaged.jsonl.gz").write_bytes(whole[:15] + b"\xff\xff\xff" + whole[18:])
    return data / "damaged.jsonl.gz"


def _cut_off(data: Path) -> Path:
    (data / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(FUNCTIONS[0]).encode() + b"\n")[:-8])
    return data / "cut.jsonl.gz"


def _one_long_line(data: Path) -> Path:
    return _text(data / "long.jsonl", '{"func": "' + "x" * 5_000_000)


BAD_FILES: list[tuple[str, Callable[[Path], Path], list[str]]] = [
    ("outside of the data roots", _outside, ["is not below a data root"]),
    ("outside by two dots", _dots, ["is not below a data root"]),
    ("outside through a symbolic link", _link, ["is not below a data root"]),
    ("outside through a linked folder", _linked_folder, ["is not below a data root"]),
    ("in a folder whose name begins like a root's", _sibling, ["is not below a data root"]),
    ("a system file", lambda _: Path("/etc/passwd"), ["is not below a data root"]),
    ("a relative path", lambda _: Path("functions.jsonl"), ["is not below a data root"]),
    ("nothing there", lambda data: data / "none.jsonl", ["there is no file"]),
    ("a name too long", lambda data: data / ("x" * 300 + ".jsonl"), ["cannot be read"]),
    ("a link to itself", _loop, ["cannot be read"]),
    ("a folder", _folder, ["is no regular file"]),
    ("a named pipe", _pipe, ["is no regular file"]),
    ("another suffix", lambda data: _text(data / "functions.csv", "func,target\n"), ["expected .jsonl or .jsonl.gz"]),
    ("empty", lambda data: _text(data / "empty.jsonl", ""), ["it is empty"]),
    ("blank lines only", lambda data: _text(data / "blank.jsonl", "\n \n"), ["it is empty"]),
    ("a damaged archive", _damaged, ["it cannot be read"]),
    ("an archive cut off", _cut_off, ["it cannot be read"]),
    ("no archive at all", lambda data: _text(data / "no.jsonl.gz", "{}"), ["it cannot be read"]),
    ("one line of five million characters", _one_long_line, ["line 1: it is longer than"]),
    ("nested too deep", lambda data: _text(data / "deep.jsonl", "[" * 100_000), ["line 1: it is JSON nested too deep"]),
    (
        "four bad lines among good ones",
        lambda data: _text(
            data / "lines.jsonl",
            '{"func": "f", "target": 1}\nnot JSON\n\n[1]\n{"func": "f"}\n{"func": "f", "label": 0}\n{}\n',
        ),
        [
            "line 2: it is not JSON",
            "line 4: found list, expected a JSON object",
            "line 5: no field target or label or vul for target",
            "line 7: no field func or func_before or function or code for func",
            "line 7: no field target",
        ],
    ),
]


@pytest.mark.parametrize(("make", "details"), [bad[1:] for bad in BAD_FILES], ids=[bad[0] for bad in BAD_FILES])
def test_a_file_that_holds_no_functions_is_refused_before_any_run_exists(
    api: Api, make: Callable[[Path], Path], details: list[str]
) -> None:
    source = make(api.data)
    before = api.counts()

    answer = api.client.post("/v1/datasets", json={"name": "bad", "source": str(source)})

    problem = assert_refused(answer, status=422, code="invalid_spec", pointers=["/source"] * len(details))
    for mistake, expected in zip(problem["errors"], details, strict=True):
        assert expected in mistake["detail"]
    assert api.counts() == before


def test_lines_that_are_not_utf8_are_named(api: Api) -> None:
    (api.data / "latin.jsonl").write_bytes(b'{"func": "f", "target": 1}\n{"func": "\xe9", "target": 1}\n')

    answer = api.client.post("/v1/datasets", json={"name": "bad", "source": str(api.data / "latin.jsonl")})

    problem = assert_refused(answer, status=422, code="invalid_spec", pointers=["/source"])
    assert "line 2: it is not UTF-8" in problem["errors"][0]["detail"]


def test_mapped_fields_are_looked_for_by_the_names_they_are_mapped_to(api: Api) -> None:
    source = api.file("mapped.jsonl", [{"body": "int f;", "bad": 1}])
    mapped = {"name": "mapped", "source": source, "fields": {"func": "body", "target": "wrong"}}

    refused = api.client.post("/v1/datasets", json=mapped)
    accepted = api.client.post("/v1/datasets", json={**mapped, "fields": {"func": "body", "target": "bad"}})

    problem = assert_refused(refused, status=422, code="invalid_spec", pointers=["/source"])
    assert "no field wrong for target (found: body, bad); map it with /fields/target" in problem["errors"][0]["detail"]
    assert accepted.status_code == 202


def test_an_experiment_on_a_data_set_that_failed_is_a_conflict(api: Api) -> None:
    dataset = api.dataset()
    trainers = api.trainers()
    trainers.failing[(Cell.PREPARE, 0)] = (FailureReason.DATA_ERROR, 3)
    trainers.work()
    before = api.counts()

    answer = api.client.post("/v1/experiments", json={"name": "question", "dataset": dataset})

    problem = assert_refused(answer, status=409, code="conflict", pointers=[])
    assert "made to fail" in problem["detail"]
    assert api.counts() == before


def test_fusion_before_the_gate_has_passed_is_a_conflict_with_the_gates_report(api: Api) -> None:
    experiment = api.experiment(autopilot=False)
    before = api.counts()

    answer = api.client.post("/v1/jobs", json={"cell": 53, "experiment": experiment})

    problem = assert_refused(answer, status=409, code="gate_not_passed", pointers=[])
    assert problem["gate"] == api.client.get(f"/v1/experiments/{experiment}/gate").json()
    assert problem["gate"]["verdict"] == "pending"
    assert api.counts() == before


def test_fusion_after_the_gate_has_failed_is_a_conflict_that_names_the_failed_checks(api: Api) -> None:
    experiment = api.experiment()
    api.trainers({"transformer": [0.80, 0.81], "gnn": [0.88, 0.89], "ensemble": [0.9, 0.9]}).work()
    before = api.counts()

    answer = api.client.post("/v1/jobs", json={"cell": 53, "experiment": experiment})

    problem = assert_refused(answer, status=409, code="gate_not_passed", pointers=[])
    failed = [check["name"] for check in problem["gate"]["checks"] if check["verdict"] == "fail"]
    assert failed == ["mean_f1_transformer"]
    assert api.counts() == before


def test_evidence_over_nothing_is_a_conflict(api: Api) -> None:
    experiment = api.experiment(autopilot=False)
    before = api.counts()

    answer = api.client.post("/v1/jobs", json={"cell": 54, "experiment": experiment})

    assert_refused(answer, status=409, code="conflict", pointers=[])
    assert api.counts() == before


def test_a_step_that_an_experiment_has_already_is_a_conflict_that_names_its_job(api: Api) -> None:
    experiment = api.experiment(autopilot=False)
    first = api.client.post("/v1/jobs", json={"cell": 51, "experiment": experiment})
    before = api.counts()

    second = api.client.post("/v1/jobs", json={"cell": 51, "experiment": experiment})

    assert first.status_code == 202
    problem = assert_refused(second, status=409, code="conflict", pointers=[])
    assert first.json()["id"] in problem["detail"]
    assert api.counts() == before


def test_what_has_ended_cannot_be_cancelled(api: Api) -> None:
    experiment = api.experiment()
    api.trainers().work()
    run = api.client.get("/v1/runs").json()["items"][0]
    before = api.counts()

    for path in (f"/v1/experiments/{experiment}", f"/v1/jobs/{run['job']}", f"/v1/runs/{run['id']}"):
        assert_refused(api.client.post(f"{path}/cancel"), status=409, code="conflict", pointers=[])
    assert api.counts() == before
