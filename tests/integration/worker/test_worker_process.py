"""`python -m worker` as it runs in earnest: real Celery, a real broker, the real `prepare`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.states import DatasetState, RunState
from service.broker.connections import celery_app, redis_client
from service.broker.embedded import EmbeddedBroker
from service.broker.notify import TASK, CeleryNotifier
from service.store.datasets import get_dataset
from service.store.runs import get_run
from tests.hardware import REPOSITORY, Machine
from tests.worker_harness import WAIT_S


@pytest.fixture
def machine(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path, database_url, redis_url)
    yield machine
    machine.database.dispose()


@pytest.fixture
def small_machine(sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path, sqlite_url, redis_url)
    yield machine
    machine.database.dispose()


def notify(machine: Machine, run_id: str) -> None:
    notifier = CeleryNotifier(machine.broker_url)
    assert notifier.notify(run_id, "cpu")
    notifier.close()


@pytest.mark.parametrize("database_url", [pytest.param("sqlite", marks=pytest.mark.slow), "postgres"], indirect=True)
def test_a_notified_worker_prepares_the_data_set_and_leaves_no_row_when_it_is_stopped(machine: Machine) -> None:
    with machine.process("run") as worker:
        machine.waits_for_work()
        dataset_id = machine.queued_dataset()
        run_id = machine.run_of(dataset_id)
        notify(machine, run_id)
        assert machine.ended(run_id) == RunState.SUCCEEDED

        worker.terminate()
        assert worker.wait(WAIT_S) == 0

    with machine.database.read() as session:
        dataset = get_dataset(session, dataset_id)
    assert dataset.state == DatasetState.READY
    assert (machine.folder / "artifacts" / str(dataset.path)).is_dir()
    assert machine.workers() == []


@pytest.mark.slow
def test_the_same_over_the_embedded_broker_with_what_waited_before_the_worker_came(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        machine = Machine(tmp_path, f"sqlite:///{tmp_path / 'cellgate.db'}", broker.url)
        run_id = machine.run_of(machine.queued_dataset())
        with machine.process("run", CELLGATE_WARM_START="true"):
            assert machine.ended(run_id) == RunState.SUCCEEDED
        machine.database.dispose()


def test_forged_and_doubled_messages_run_what_is_in_sql_and_that_once(small_machine: Machine) -> None:
    app = celery_app(small_machine.broker_url)
    with small_machine.process("run"):
        small_machine.waits_for_work()
        app.send_task("os.system", args=["true"], queue="cpu", retry=False)
        run_id = small_machine.run_of(small_machine.queued_dataset())
        for forged in ({"run_id": 7}, {"run_id": "../../x"}, *[{"run_id": run_id}] * 20):
            app.send_task(TASK, kwargs=forged, queue="cpu", retry=False)

        assert small_machine.ended(run_id) == RunState.SUCCEEDED
    app.close()
    with small_machine.database.read() as session:
        assert get_run(session, run_id).attempt == 1


@pytest.mark.slow
@pytest.mark.parametrize("message", [{"kwargs": {"run_id": "x", "more": 1}}, {"kwargs": {}}, {"args": ["x"]}])
def test_a_notification_with_other_words_wakes_all_the_same(small_machine: Machine, message: dict[str, Any]) -> None:
    app = celery_app(small_machine.broker_url)
    with small_machine.process("run"):
        small_machine.waits_for_work()
        run_id = small_machine.run_of(small_machine.queued_dataset())
        app.send_task(TASK, **message, queue="cpu", retry=False)

        assert small_machine.ended(run_id) == RunState.SUCCEEDED
    app.close()


def test_what_is_no_message_leaves_the_worker_running_and_the_next_run_is_found(small_machine: Machine) -> None:
    with small_machine.process("run") as worker:
        small_machine.waits_for_work()
        with redis_client(small_machine.broker_url) as client:
            client.lpush("cpu", b"no message")
        run_id = small_machine.run_of(small_machine.queued_dataset())

        assert small_machine.ended(run_id) == RunState.SUCCEEDED
        assert worker.poll() is None


@pytest.mark.parametrize(
    "flushed", [pytest.param(False, marks=pytest.mark.slow, id="never notified"), pytest.param(True, id="flushed")]
)
def test_a_message_that_was_lost_is_sent_again_by_the_reconciler(small_machine: Machine, flushed: bool) -> None:
    often = {"CELLGATE_RECONCILE_EVERY_S": "0.1", "CELLGATE_REDISPATCH_AFTER_S": "600"}
    with small_machine.process("run"), small_machine.process("reconciler", **often) as reconciler:
        small_machine.waits_for_work()
        if flushed:
            with redis_client(small_machine.broker_url) as client:
                client.flushall()
        run_id = small_machine.run_of(small_machine.queued_dataset())

        assert small_machine.ended(run_id) == RunState.SUCCEEDED

        reconciler.send_signal(signal.SIGTERM)
        assert reconciler.wait(WAIT_S) == 0


def test_without_a_broker_named_the_worker_says_what_to_set(tmp_path: Path) -> None:
    settings = {name: value for name, value in os.environ.items() if not name.startswith("CELLGATE")}

    ended = subprocess.run(
        [sys.executable, "-m", "worker"], cwd=REPOSITORY, env=settings, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert "CELLGATE_REDIS_URL" in ended.stderr
    assert list(tmp_path.iterdir()) == []
