"""The main job over HTTP: labelled functions to a decision, embedded and on Postgres and Redis."""

import html
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from trainers.bundle.bundle import Bundle

TIMEOUT_S = 280
POLL_S = 0.5
TRAINING = {"epochs": 6, "batch_size": 16, "learning_rate": {"value": 5e-3}}


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 functions that any model learns in seconds: the vulnerable ones copy without a bound."""
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("data") / "functions.jsonl"
    rows = [{"func": _function(rng, number), "target": number % 2, "commit": f"c{number}"} for number in range(600)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _function(rng: random.Random, number: int) -> str:
    body = [f"    total = total {rng.choice('+-*')} {rng.randrange(100)};" for _ in range(rng.randrange(2, 6))]
    copy = "    strcpy(out, in);" if number % 2 else f"    strncpy(out, in, {rng.randrange(8, 64)});"
    body.insert(rng.randrange(len(body) + 1), copy)
    lines = "\n".join(body)
    return f"int f{number}(char *out, const char *in, int total)\n{{\n{lines}\n    return total;\n}}\n"


# `make demo` does the same embedded.
@pytest.fixture(params=[pytest.param("embedded", marks=pytest.mark.slow), "postgres_and_redis"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path, functions: Path) -> Iterator[httpx.Client]:
    """A client of a whole Cellgate that `cellgate up` started, and that is stopped at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CELLGATE_")}
    if request.param == "postgres_and_redis":
        environment["CELLGATE_DATABASE_URL"] = request.getfixturevalue("empty_postgres_url")
        environment["CELLGATE_REDIS_URL"] = request.getfixturevalue("redis_url")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cellgate", "up", "--port", str(port), "--slots", "2"]
    command += ["--data-dir", str(tmp_path / "var"), "--data-root", str(functions.parent)]
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait(lambda: _ready(client, process), "the service did not get ready")
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        print(log.read_text()[-6000:])


def test_labelled_functions_become_a_decision_and_a_bundle(
    deployment: httpx.Client, functions: Path, tmp_path: Path
) -> None:
    # given a data set, prepared by a worker
    added = deployment.post("/v1/datasets", json={"name": "generated", "source": str(functions)})
    assert added.status_code == 202, added.text
    dataset = _ended(deployment, added.headers["Location"], {"ready", "failed"})
    assert dataset["state"] == "ready", dataset
    assert set(dataset["summary"]["splits"]) == {"train", "dev", "fuse", "gate", "test"}

    # when an experiment is submitted, with tiny models, and fusion in any case
    spec = {
        "name": "end to end",
        "dataset": dataset["id"],
        "seeds": [0, 1],
        "transformer": {"model": {"size": "tiny"}, "training": TRAINING},
        "gnn": {"model": {"width": 32, "layers": 2}, "training": TRAINING},
        "fusion": {"training": {"epochs": 3}},
        "aggregation": {"resamples": 200},
        "policy": {"fusion": "always"},
    }
    submitted = deployment.post("/v1/experiments", json=spec)
    assert submitted.status_code == 202, submitted.text
    experiment = _ended(deployment, submitted.headers["Location"], {"succeeded", "failed", "cancelled"})

    # then every cell ran once per seed, in the order of the pipeline
    assert experiment["state"] == "succeeded", experiment
    assert [job["step"] for job in experiment["jobs"]] == ["preflight", "51", "52", "54-bases", "53", "54-final"]
    runs = [run for job in experiment["jobs"] for run in job["runs"]]
    assert {run["state"] for run in runs} == {"succeeded"}
    trained = {job["cell"]: job["runs"] for job in experiment["jobs"] if job["cell"] in (51, 52, 53)}
    assert {cell: sorted(run["seed"] for run in of_cell) for cell, of_cell in trained.items()} == {
        51: [0, 1],
        52: [0, 1],
        53: [0, 1],
    }
    assert all(0 <= run["f1"] <= 1 for of_cell in trained.values() for run in of_cell)

    # and the gate and both decisions stand, with their evidence
    gate = deployment.get(f"/v1/experiments/{experiment['id']}/gate").json()
    assert gate["verdict"] == "pass", gate
    decision = deployment.get(f"/v1/experiments/{experiment['id']}/decision").json()
    assert decision["stage"] == "final"
    assert decision["outcome"] in {"ensemble", "single", "fusion"}
    options = {option["option"]: option for option in decision["evidence"]["options"]}
    assert {"transformer", "gnn", "ensemble", "fusion"} <= set(options)
    # the reported mean is the mean of what each seed's own run measured on the gate split
    measured = [run["f1"] for run in sorted(trained[51], key=lambda run: int(run["seed"]))]
    assert options["transformer"]["f1_per_seed"] == pytest.approx(measured)
    assert options["transformer"]["f1"] == pytest.approx(sum(measured) / len(measured))

    # and everything comes out the same again from the predictions, and is shown on one page
    verified = _cellgate(
        deployment, "decision", "verify", experiment["id"], "--artifacts", str(tmp_path / "var/artifacts")
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.count("byte for byte") == 4
    shown = _cellgate(deployment, "report", experiment["id"], "--html", str(tmp_path / "report.html"))
    assert shown.returncode == 0, shown.stderr
    assert decision["rule"] in html.unescape((tmp_path / "report.html").read_text())

    # and the curves of a run can be read
    curves = deployment.get(f"/v1/runs/{trained[51][0]['id']}/metrics", params={"keys": "dev/f1"}).json()["curves"]
    assert [curve["key"] for curve in curves] == ["dev/f1"]
    assert len(curves[0]["values"]) == TRAINING["epochs"]

    # and what was decided is packed, sent, and says of a function what the bundle itself says of it
    packed = deployment.post(
        f"/v1/experiments/{experiment['id']}/bundle", json={"licence_notes": "Generated functions."}
    )
    assert packed.status_code == 202, packed.text
    bundle = _ended(deployment, packed.headers["Location"], {"ready", "failed"})
    assert bundle["state"] == "ready", bundle
    assert (bundle["kind"], bundle["summary"]["seeds"]) == (decision["outcome"], decision["seeds"])
    (form,) = (
        form
        for form in decision["evidence"]["shippable"]
        if (form["option"], form["seeds"]) == (decision["option"], decision["seeds"])
    )
    assert bundle["summary"]["threshold"] == pytest.approx(form["threshold"], abs=1e-9)
    assert bundle["summary"]["largest_difference"] <= 1e-5
    assert bundle["summary"]["functions_per_s"] > 1
    # These functions have no patched versions.
    assert bundle["summary"]["lines"] is None
    ours = ["void f(char *out, char *in) { strcpy(out, in); }", "void f(char *out, char *in) { strncpy(out, in, 9); }"]
    recorded = deployment.post(f"/v1/bundles/{bundle['id']}/predict", json={"functions": ours, "explain": "all"})
    assert recorded.status_code == 202, recorded.text
    scores = _ended(deployment, recorded.headers["Location"], {"succeeded", "failed"})["scores"]
    assert scores["bundle"] == bundle["summary"]["id"]
    predictions = _unpacked(deployment, bundle["id"], tmp_path).predict(ours)
    assert [one["probability"] for one in scores["functions"]] == pytest.approx(
        [one.probability for one in predictions], abs=1e-6
    )
    assert [one["vulnerable"] for one in scores["functions"]] == [one.is_vulnerable for one in predictions]

    # and the command line brings it here and says the same of a file
    file = tmp_path / "ours.c"
    file.write_text("\n".join(ours) + "\n")
    brought = _cellgate(deployment, "bundle", "get", bundle["id"], "--out", str(tmp_path / "brought"))
    assert brought.returncode == 0, brought.stderr
    scanned = _cellgate(deployment, "predict", str(tmp_path / "brought" / bundle["id"]), str(file), "--format", "json")
    [shown] = [found["functions"] for found in json.loads(scanned.stdout)["files"]]
    assert scanned.returncode == (9 if any(one.is_vulnerable for one in predictions) else 0), scanned.stderr
    assert [one["probability"] for one in shown] == pytest.approx([one.probability for one in predictions], abs=1e-6)


def _cellgate(deployment: httpx.Client, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cellgate", "--server", str(deployment.base_url), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def _unpacked(deployment: httpx.Client, bundle_id: str, folder: Path) -> Bundle:
    sent = deployment.get(f"/v1/bundles/{bundle_id}/archive")
    assert sent.status_code == 200
    assert int(sent.headers["Content-Length"]) == len(sent.content)
    with tarfile.open(fileobj=io.BytesIO(sent.content)) as archive:
        archive.extractall(folder, filter="data")
    return Bundle.open(folder / bundle_id)


def _ready(client: httpx.Client, process: "subprocess.Popen[bytes]") -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"the service ended with exit code {process.returncode}")
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _ended(client: httpx.Client, location: str, ends: set[str]) -> dict[str, Any]:
    def body() -> dict[str, Any]:
        answer: dict[str, Any] = client.get(location).json()
        return answer

    _wait(lambda: body()["state"] in ends, f"{location} did not end")
    return body()


def _wait(condition: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(message)
        time.sleep(POLL_S)
