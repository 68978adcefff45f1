"""A client that `openapi-python-client` makes of our document runs an experiment with nothing but generated code."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.live_server import LiveServer, run_live_server

TOKEN = "a token of 32 characters or more"
CONFIG = "post_hooks: []\nproject_name_override: generated\npackage_name_override: generated\n"
# What a user of the generated client writes; its types are checked as it runs.
PROGRAM = """
import sys, time
from pathlib import Path
from generated import AuthenticatedClient, Client
from generated.api.datasets import add_dataset, read_dataset
from generated.api.experiments import read_decision, read_experiment, read_experiment_status, read_gate
from generated.api.experiments import submit_experiment
from generated.api.runs import read_metrics, read_run, read_runs
from generated.models import *

url, source, token = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token) if token else Client(base_url=url)
with client:
    added = add_dataset.sync(client=client, body=DatasetCreate(name="made", source=source), idempotency_key="1")
    assert isinstance(added, DatasetAnswer), added
    while read_dataset.sync(added.id, client=client).state is DatasetState.PREPARING:
        time.sleep(0.05)
    refused = submit_experiment.sync(client=client, body=ExperimentCreate(name="", dataset=added.id, seeds=[-1]))
    assert isinstance(refused, Problem), refused
    assert refused.status == 422 and refused.code == "invalid_request"
    assert sorted(mistake.pointer for mistake in refused.errors) == ["/name", "/seeds/0"]
    body = ExperimentCreate(name="question", dataset=added.id, seeds=[0, 1])
    created = submit_experiment.sync(client=client, body=body, idempotency_key="2")
    again = submit_experiment.sync(client=client, body=body, idempotency_key="2")
    assert isinstance(created, ExperimentAnswer) and again.id == created.id
    while True:
        status = read_experiment_status.sync(created.id, client=client)
        assert isinstance(status, ExperimentStatus), status
        if status.state in (ExperimentState.SUCCEEDED, ExperimentState.FAILED, ExperimentState.CANCELLED):
            break
        time.sleep(0.05)
    whole = read_experiment.sync(created.id, client=client)
    runs = read_runs.sync(client=client, experiment=created.id, cell=[Cell.TRANSFORMER], state=[RunState.SUCCEEDED])
    curves = read_metrics.sync(runs.items[0].id, client=client, keys="dev/f1")
    result = read_run.sync(runs.items[0].id, client=client).result
    gate, decision = read_gate.sync(created.id, client=client), read_decision.sync(created.id, client=client)
    print(status.state.value, len(whole.jobs), sorted(run.seed for run in runs.items), len(curves.curves[0].values))
    print(gate.verdict, decision.outcome, result.cell)
"""


@contextmanager
def working(context: LiveServer) -> Iterator[None]:
    """Let trainers work on whatever is queued, as long as the block runs."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            context.trainers().work()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def generate(context: LiveServer, folder: Path, token: str | None) -> "subprocess.CompletedProcess[str]":
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    (folder / "openapi.json").write_bytes(httpx.get(f"{context.url}/openapi.json", headers=headers).content)
    (folder / "config.yaml").write_text(CONFIG)
    command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--meta", "none"]
    command += ["--path", "openapi.json", "--config", "config.yaml", "--output-path", "generated"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, TOKEN], ids=["open", "with a token"])
def test_a_generated_client_runs_an_experiment(tmp_path: Path, token: str | None) -> None:
    with run_live_server(tmp_path / "var", token=token) as context, working(context):
        made = generate(context, tmp_path, token)
        rows = [{"func": f"int f(void) {{ return {number}; }}", "target": number % 2} for number in range(4)]
        source = context.data / "functions.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / "program.py").write_text(PROGRAM)
        ran = subprocess.run(
            # The generator writes `54and`, which Python still takes.
            [sys.executable, "-W", "ignore::SyntaxWarning", "program.py", context.url, str(source), token or ""],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    # nothing is left out of the client, so nothing is warned of
    assert (made.returncode, made.stderr, made.stdout) == (0, "", "Generating generated\n")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split("\n")[:2] == ["succeeded 4 [0, 1] 8", "pass ensemble 51"]
