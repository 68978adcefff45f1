"""`cellgate runs ls` and `cellgate queue ls`: what is at work and what waits."""

import json

from cellgate.contract.experiment import ExperimentSpec
from service.store.workers import register_worker, set_draining
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer


def test_runs_are_listed_and_filtered_with_whole_ids(finished: str, cellgate: Cellgate) -> None:
    listed = cellgate("runs", "ls", "--experiment", finished, "--cell", "51", "--state", "succeeded")
    found = json.loads(cellgate("runs", "ls", "--experiment", finished, "--cell", "51", "--json").out)

    assert listed.code == 0, listed.err
    assert [line.split()[:4] for line in listed.out.splitlines()[1:]] == [
        [run["id"], "51", "transformer", str(run["seed"])] for run in found[::-1]
    ]
    assert [run["cell"] for run in found] == [51] * len(found) != []
    assert all("succeeded" in line for line in listed.out.splitlines()[1:])
    assert json.loads(cellgate("runs", "ls", "--state", "failed", "--json").out) == []


def test_an_experiment_that_is_none_is_refused(cellgate: Cellgate) -> None:
    refused = cellgate("runs", "ls", "--experiment", "7")

    assert (refused.code, refused.out) == (2, "")
    assert "no experiment" in refused.err


def test_a_queue_that_nobody_serves_is_named_with_what_starts_a_worker(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate
) -> None:
    context.experiment(ready_dataset, "waits", ExperimentSpec(queue="lonely"))

    listed = cellgate("queue", "ls")
    found = {queue["name"]: queue for queue in json.loads(cellgate("queue", "ls", "--json").out)}

    assert found["lonely"]["queued"] > 0 == found["lonely"]["workers"]
    assert "lonely" in listed.out
    assert """CELLGATE_QUEUES='["lonely"]' cellgate run-worker""" in " ".join(listed.out.split())


def test_a_queue_whose_workers_all_drain_is_told_so(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate
) -> None:
    context.experiment(ready_dataset, "waits too", ExperimentSpec(queue="drained"))
    with context.database.begin() as session:
        register_worker(session, worker_id="worker-9", queues=["drained"], slots=1)
        set_draining(session, "worker-9", draining=True)

    listed = " ".join(cellgate("queue", "ls").out.split())

    assert "Every worker of queue drained drains: `cellgate worker resume worker-9` ends that." in listed
    assert "No worker serves queue drained" not in listed
