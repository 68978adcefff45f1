"""`cellgate up` starts everything, keeps it running, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from service.local_stack import ManagedProcess, ProcessSupervisor, StackFailed, claim_port

TIMEOUT_S = 90


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


@dataclass(frozen=True, kw_only=True)
class Up:
    """A running `cellgate up`."""

    process: "subprocess.Popen[bytes]"
    url: str

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, words: str) -> psutil.Process:
        return next(child for child in self.children() if words in " ".join(child.cmdline()))


@contextmanager
def running(folder: Path) -> Iterator[Up]:
    log = folder / "up.log"
    command = [sys.executable, "-m", "cellgate", "up", "--port", "0", "--data-dir", str(folder / "var")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CELLGATE_")}
    # No run is started here: a fork server would import for five seconds of CPU for nothing.
    environment["CELLGATE_WARM_START"] = "false"
    # A proxy that nobody answers at: the service asks itself whether it is ready without one.
    environment |= {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1", "NO_PROXY": ""}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_until(lambda: b"Cellgate is at" in log.read_bytes() or process.poll() is not None, "it did not start")
        found = re.search(r"Cellgate is at (\S+)", log.read_text())
        if found is None:
            raise RuntimeError(log.read_text())
        yield Up(process=process, url=found.group(1))
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def test_it_serves_restarts_what_dies_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        # given API, reconciler, worker and broker under one parent
        names = [" ".join(child.cmdline()) for child in up.children()]
        for words in ("service serve", "worker reconciler", "worker run", "unixsocket"):
            assert any(words in name for name in names), (words, names)
        assert httpx.get(f"{up.url}/readyz").status_code == 200

        # when the API is killed
        killed = up.child("service serve")
        killed.kill()

        # then another one answers at the same address
        def answers() -> bool:
            try:
                return httpx.get(f"{up.url}/livez").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(lambda: killed.pid not in [child.pid for child in up.children()] and answers(), "not restarted")

        # and when it is asked to stop, it ends well and so does everything that it started
        supervisor = up.children()
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(TIMEOUT_S) == 0
        assert not [child for child in supervisor if child.is_running()]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no signal at the parent's death")
def test_when_it_is_killed_outright_its_children_end_too(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        supervisor = up.children()
        ours = [child for child in supervisor if "unixsocket" not in " ".join(child.cmdline())]
        up.process.kill()
        up.process.wait()
        wait_until(lambda: not [child for child in ours if child.is_running()], "children were left behind")
        for child in supervisor:
            if child.is_running():
                child.kill()


def test_a_taken_port_is_reported_before_anything_is_started() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StackFailed, match="choose another --port"):
            claim_port("127.0.0.1", taken.getsockname()[1])


def test_a_child_that_keeps_dying_is_started_later_and_later() -> None:
    child = ManagedProcess(name="short-lived", command=[sys.executable, "-c", "pass"])
    supervisor = ProcessSupervisor([child], os.environ)
    waits = []
    for _ in range(3):
        child.start_at = 0
        supervisor.look()
        wait_until(lambda: child.process is not None and child.process.poll() is not None, "it did not end")
        supervisor.look()
        waits.append(child.start_at - time.monotonic())
    assert waits[0] < 0.6 < waits[1] < 1.1 < waits[2]


def test_a_child_that_ignores_sigterm_is_killed_with_what_it_started(tmp_path: Path) -> None:
    # given a child that ignores SIGTERM, and has a child of its own
    recorded = tmp_path / "pid"
    code = (
        "import pathlib, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "own = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        f"path = pathlib.Path({str(recorded)!r}); path.with_suffix('.new').write_text(str(own.pid));"
        "path.with_suffix('.new').rename(path); time.sleep(600)"
    )
    child = ManagedProcess(name="stubborn", command=[sys.executable, "-c", code])
    supervisor = ProcessSupervisor([child], os.environ)
    supervisor.look()
    wait_until(recorded.exists, "it did not start")

    # when the family is stopped
    supervisor.stop(grace_s=0.2, hurry=threading.Event())

    # then both are gone
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL
    grandchild = int(recorded.read_text())
    wait_until(lambda: not psutil.pid_exists(grandchild) or _is_zombie(grandchild), "its child was left behind")


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
