"""What `python -m worker run` logs: one JSON object per line, with the run that it is about."""

import json
from pathlib import Path
from typing import Any

from cellgate.contract.states import RunState
from service.broker.embedded import EmbeddedBroker
from tests.hardware import Machine
from tests.worker_harness import WAIT_S


def test_every_line_is_an_event_and_says_whose_run_it_is_about(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        machine = Machine(tmp_path, f"sqlite:///{tmp_path / 'cellgate.db'}", broker.url)
        run_id = machine.run_of(machine.queued_dataset())
        with machine.process("run") as worker:
            assert machine.ended(run_id) == RunState.SUCCEEDED
            [worker_id] = machine.workers()
            worker.terminate()
            assert worker.wait(WAIT_S) == 0
        machine.database.dispose()

    written = (tmp_path / "run.log").read_text().splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in written if line.startswith("{")]

    about = [(event["event"], event["run"], event["attempt"], event["worker"]) for event in events if "run" in event]
    assert about == [(what, run_id, 1, worker_id) for what in ("run_started", "run_ended")]
    assert [line for line in written if line and not line.startswith("{")] == []
