"""Trainers that are forked from a process that has imported everything, and what happens when it is not there."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from cellgate.contract.states import RunState
from tests.warm_trainers import WarmTrainers
from tests.worker_harness import Floor
from worker.attempt import supervise
from worker.context import TRAINER
from worker.fork_server import ForkServerLost, ForkServerProcess
from worker.process import Trainer, TrainerProcess
from worker.start import trainer_environment

PATIENCE_S = 60.0
# As the real one, but it imports nothing before it serves: that takes seconds.
WITHOUT_IMPORTS = """
import sys
from trainers import fork_server
fork_server.PRELOADED = ()
fork_server.main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def server(warm: WarmTrainers) -> ForkServerProcess:
    """A server that has imported everything, or is about to."""
    return warm.server()


def _fork(server: ForkServerProcess, arguments: list[str], stdin: int, output: int) -> Trainer:
    environment = {**trainer_environment(threads=1), "CUDA_VISIBLE_DEVICES": "3"}
    trainer = server.fork(arguments, environment=environment, stdin=stdin, output=output, patience_s=PATIENCE_S)
    assert trainer is not None
    return trainer


@pytest.fixture
def generating(server: ForkServerProcess, tmp_path: Path) -> Iterator[TrainerProcess]:
    """A trainer that is busy for minutes."""
    arguments = ["generate", "--functions", "5000000", "--out", str(tmp_path / "functions.jsonl")]
    process = TrainerProcess(partial(_fork, server, arguments), folder=tmp_path)
    yield process
    process.kill()
    process.close()


def test_a_fork_runs_the_command_line_and_tells_its_exit_code(server: ForkServerProcess, tmp_path: Path) -> None:
    for arguments, code in ((["schema", "result"], 0), (["nonsense"], 2)):
        process = TrainerProcess(partial(_fork, server, arguments), folder=tmp_path)
        while process.wait(1.0) is None:
            pass
        assert process.exit_code() == code
        process.close()

    recorded = (tmp_path / "output.log").read_text()
    schema, usage = recorded.split("Usage:")
    assert json.loads(schema)["title"] == "RunResult"
    assert "nonsense" in usage


def test_a_fork_leads_a_group_of_its_own_from_its_first_moment(generating: TrainerProcess) -> None:
    assert os.getpgid(generating.pid) == generating.pid
    generating.ask_to_stop()
    assert generating.wait(30.0) == -signal.SIGTERM


SHOWS_ITS_ENVIRONMENT = """
import json, os, sys
from trainers import fork_server
fork_server._run = lambda arguments: print(json.dumps([arguments, dict(os.environ), sys.stdin.readline()])) or 7
stdin, heartbeat_pipe = os.pipe()
os.write(heartbeat_pipe, b"ok\\n")
fork_server.become_trainer(
    fork_server.ForkRequest(arguments=["51"], environment={"CUDA_VISIBLE_DEVICES": "3"}, stdin=stdin, output=os.dup(1))
)
"""


def test_a_fork_sees_its_own_environment_alone() -> None:
    done = subprocess.run([TRAINER[0], "-c", SHOWS_ITS_ENVIRONMENT], capture_output=True, text=True, timeout=60)

    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout) == [["51"], {"CUDA_VISIBLE_DEVICES": "3"}, "ok\n"]


def test_the_server_has_one_thread_so_that_a_fork_of_it_is_whole(generating: TrainerProcess) -> None:
    (parent,) = psutil.Process(generating.pid).parents()[:1]

    assert "trainers.fork_server" in parent.cmdline()
    assert parent.num_threads() == 1


def test_trainers_whose_server_dies_end_even_one_that_stands_still(tmp_path: Path) -> None:
    server = ForkServerProcess(command=[TRAINER[0], "-c", WITHOUT_IMPORTS])
    server.start(trainer_environment(threads=1))
    arguments = ["generate", "--functions", "5000000", "--out", str(tmp_path / "functions.jsonl")]
    busy, still = (TrainerProcess(partial(_fork, server, arguments), folder=tmp_path) for _ in range(2))
    suspended = psutil.Process(still.pid)
    # Elsewhere a trainer that stands still sees nothing.
    if sys.platform == "linux":
        # A fork asks the kernel to end it with its server before it takes its output: until then it is not tied to it.
        while not os.readlink(f"/proc/{still.pid}/fd/1").endswith("output.log"):
            time.sleep(0.01)
        suspended.suspend()

    psutil.Process(busy.pid).parents()[0].kill()

    # On Linux the kernel ends it, before anybody waits for it.
    gone, _ = psutil.wait_procs([suspended] if sys.platform == "linux" else [], timeout=30)
    assert len(gone) == (sys.platform == "linux")
    # Nobody could tell how they would end.
    for process in (busy, still):
        assert process.wait(30.0) == -signal.SIGKILL
        assert not psutil.pid_exists(process.pid) or psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        process.close()
    assert server.fork(["schema", "spec"], environment={}, stdin=0, output=1, patience_s=1.0) is None
    server.close()


def test_a_server_whose_client_has_gone_ends_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "socket"
    folder.mkdir()

    # Its standard input ends at once, as that of a server whose worker was killed.
    done = subprocess.run([TRAINER[0], "-c", WITHOUT_IMPORTS, str(folder / "s")], input=b"", timeout=120)

    assert done.returncode == 0
    assert not folder.exists()


BREAKS_OFF = """
import socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    client, _ = listener.accept()
    client.sendall(b'{"ready": true}\\n')
    client.recv(65536)
"""


def test_a_server_that_breaks_off_after_the_request_is_an_error_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(BREAKS_OFF)
    server = ForkServerProcess(command=[TRAINER[0], str(script)])
    server.start(dict(os.environ))

    with pytest.raises(ForkServerLost, match="ended unexpectedly"):
        server.fork(["schema", "spec"], environment={}, stdin=0, output=1, patience_s=PATIENCE_S)
    server.close()


def test_a_supervised_run_starts_warm(small_floor: Floor, server: ForkServerProcess) -> None:
    run_id = small_floor.prepare_run()
    context = replace(small_floor.context("raise SystemExit('started cold')"), fork_server=server)

    supervise(context, small_floor.claim(context))

    # Its source does not exist: the real trainer says so, and a stand-in that was started cold would not.
    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, "data_error")


def test_a_run_starts_cold_while_there_is_no_server(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    missing = ForkServerProcess(command=["/nonexistent/python"])
    context = replace(small_floor.context("finish()"), fork_server=missing)

    supervise(context, small_floor.claim(context))

    assert small_floor.state(run_id) is RunState.SUCCEEDED
    missing.close()
