"""Draining over HTTP: a real worker ends its run, takes no other, and takes runs again once it is resumed."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from fastapi.testclient import TestClient

from cellgate.contract.states import RunState
from service.app import create_app
from service.broker.embedded import EmbeddedBroker
from service.broker.notify import CeleryNotifier
from service.settings import Settings
from service.store.claims import claim_next
from service.store.queue import held_runs
from service.store.workers import get_worker, register_worker, set_draining
from tests.hardware import Machine
from tests.worker_harness import WAIT_S, Floor, until
from trainers.demo_data.generator import write_jsonl
from worker import claim_loop as tasks
from worker.claim_loop import work_off_queue


@contextmanager
def api_of(machine: Machine) -> Iterator[TestClient]:
    """Yield a client of the API over the machine's database and broker."""
    settings = Settings(data_dir=machine.folder, database_url=machine.url, redis_url=machine.broker_url)
    notifier = CeleryNotifier(machine.broker_url)
    with TestClient(create_app(settings, notifier=notifier), base_url="http://localhost") as client:
        yield client
    notifier.close()


@contextmanager
def standing_still(worker: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Have the trainer that a worker starts next stand still until the block ends."""
    parent = psutil.Process(worker.pid)
    until(lambda: bool(parent.children()), "a trainer is there")
    [trainer] = parent.children()
    trainer.suspend()
    try:
        yield
    finally:
        trainer.resume()


def submit(client: TestClient, machine: Machine, name: str) -> str:
    """Return the id of the run of a new data set."""
    source = machine.folder / "data" / f"{name}.jsonl"
    write_jsonl(source, functions=300, seed=1)
    answer = client.post("/v1/datasets", json={"name": name, "source": str(source)})
    return str(answer.json()["run"])


def test_a_drained_worker_ends_its_run_takes_no_other_and_takes_them_again_when_resumed(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        machine = Machine(tmp_path, f"sqlite:///{tmp_path / 'cellgate.db'}", broker.url)
        settings = {"CELLGATE_SLOTS": "1", "CELLGATE_HEARTBEAT_S": "0.5"}
        with machine.process("run", **settings) as process, api_of(machine) as client:
            machine.waits_for_work()
            [worker] = [found["id"] for found in client.get("/v1/workers").json()]
            first = submit(client, machine, "first")
            with standing_still(process):
                assert client.post(f"/v1/workers/{worker}/drain").json()["runs"] == [first]
                second = submit(client, machine, "second")

            assert machine.ended(first) == RunState.SUCCEEDED
            # It has heard both notifications, and had all the time in the world to claim.
            beats = {client.get(f"/v1/workers/{worker}").json()["heartbeat_at"]}
            until(lambda: beats != {client.get(f"/v1/workers/{worker}").json()["heartbeat_at"]}, "its heart beats on")
            shown = client.get(f"/v1/workers/{worker}").json()
            assert (shown["alive"], shown["draining"], shown["runs"]) == (True, True, [])
            assert machine.state(second) == RunState.QUEUED

            client.post(f"/v1/workers/{worker}/resume")
            assert machine.ended(second) == RunState.SUCCEEDED
        machine.database.dispose()


def test_draining_waits_for_a_claim_that_is_being_made_and_then_shows_its_run(floor: Floor) -> None:
    run_id = floor.prepare_run()
    with floor.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=1)
    shown: list[str] = []

    def drain() -> None:
        with floor.database.begin() as session:
            set_draining(session, "worker-1", draining=True)
            shown.extend(held_runs(session)["worker-1"])

    drainer = threading.Thread(target=drain)
    with floor.database.begin() as session:
        assert claim_next(session, worker="worker-1", queues=["cpu"], lease_s=60)
        drainer.start()
        drainer.join(0.5)
        assert drainer.is_alive()
    drainer.join(WAIT_S)

    assert shown == [run_id]
    floor.prepare_run()
    with floor.database.begin() as session:
        assert claim_next(session, worker="worker-1", queues=["cpu"], lease_s=60) is None


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who drains rings on at once."""
    monkeypatch.setattr(tasks, "FORWARD_AFTER_S", 0.0)


@pytest.mark.usefixtures("prompt")
@pytest.mark.parametrize(
    ("queues", "slots", "drains", "notifies"),
    [
        (["gpu", "cpu"], 1, False, True),
        (["gpu"], 1, False, False),
        (["cpu"], 0, False, False),
        (["cpu"], 1, True, False),
    ],
    ids=["serves it", "serves another", "is full", "drains too"],
)
def test_who_drains_notifies_of_what_it_leaves_if_another_has_room_for_it(
    floor: Floor, queues: list[str], slots: int, drains: bool, notifies: bool
) -> None:
    context = floor.context("finish()")
    run_id = floor.prepare_run()
    with floor.database.begin() as session:
        for name, run_live_server, free in ((context.worker_id, ["cpu"], 1), ("other", queues, slots)):
            register_worker(session, worker_id=name, queues=run_live_server, slots=free)
        set_draining(session, context.worker_id, draining=True)
        set_draining(session, "other", draining=drains)

    assert work_off_queue(context) == 0

    assert floor.notifier.notified == ([run_id] if notifies else [])
    assert floor.state(run_id) == RunState.QUEUED


@pytest.mark.usefixtures("prompt")
def test_a_worker_that_does_not_drain_notifies_nobody(floor: Floor) -> None:
    context = floor.context("wait()")
    run_id = floor.prepare_run()
    with floor.database.begin() as session:
        for name in (context.worker_id, "other"):
            register_worker(session, worker_id=name, queues=["cpu"], slots=1)
    elsewhere = replace(context, settings=context.settings.model_copy(update={"queues": ["gpu"]}))

    assert work_off_queue(elsewhere) == 0

    assert (floor.notifier.notified, floor.state(run_id)) == ([], RunState.QUEUED)
    with floor.database.read() as session:
        assert not get_worker(session, context.worker_id).draining
