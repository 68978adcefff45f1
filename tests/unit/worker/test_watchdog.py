import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from worker.process import TrainerProcess, Watchdog, start_cold

# A trainer that ignores being asked, with a child of its own that does so too.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(60)
"""
SOON_S = 0.2
NEVER_S = 60.0


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[TrainerProcess]:
    environment = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-u", "-c", STUBBORN]
    process = TrainerProcess(
        lambda stdin, output: start_cold(command, stdin=stdin, output=output, environment=environment, folder=tmp_path),
        folder=tmp_path,
    )
    yield process
    process.kill()
    process.close()


def grandchild(folder: Path) -> int:
    while not (text := (folder / "output.log").read_text()).endswith("\n"):
        time.sleep(0.01)
    return int(text)


def is_alive(pid: int) -> bool:
    try:
        # Who has lost its parent stays a zombie until somebody reaps it.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_watchdog_that_nobody_renews_kills_the_trainer_and_what_it_started(
    stubborn: TrainerProcess, tmp_path: Path
) -> None:
    child = grandchild(tmp_path)

    watchdog = Watchdog(stubborn, timeout_s=SOON_S, started_at=time.monotonic())

    assert stubborn.wait(30) == -signal.SIGKILL
    assert watchdog.expired
    deadline = time.monotonic() + 30
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(child)
    watchdog.stop()


def test_a_watchdog_counts_from_when_the_lease_began_not_from_when_it_was_lit(stubborn: TrainerProcess) -> None:
    watchdog = Watchdog(stubborn, timeout_s=NEVER_S, started_at=time.monotonic() - NEVER_S)

    assert stubborn.wait(30) == -signal.SIGKILL
    watchdog.stop()


def test_a_renewed_watchdog_holds(stubborn: TrainerProcess) -> None:
    watchdog = Watchdog(stubborn, timeout_s=SOON_S, started_at=time.monotonic())
    watchdog.renew(time.monotonic() + NEVER_S)

    assert stubborn.wait(3 * SOON_S) is None
    assert not watchdog.expired
    watchdog.stop()


def test_a_watchdog_that_was_put_out_kills_nothing(stubborn: TrainerProcess) -> None:
    watchdog = Watchdog(stubborn, timeout_s=NEVER_S, started_at=time.monotonic())
    watchdog.stop()
    watchdog.renew(time.monotonic() - 2 * NEVER_S)

    assert stubborn.wait(SOON_S) is None
    assert not watchdog.expired


def test_a_trainer_that_does_not_read_its_heartbeat_pipe_holds_nobody_up(stubborn: TrainerProcess) -> None:
    # More than any pipe holds: a blocking write would never come back.
    for _ in range(100_000):
        stubborn.send_heartbeat()

    assert stubborn.exit_code() is None
