"""The broker may hang, refuse, change its role or send nonsense: runs start, go on and end all the same."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import worker.consumer
from cellgate.contract.states import DatasetState, RunState
from service.broker.notify import CeleryNotifier
from service.store.datasets import list_datasets
from service.store.watched import watched_threads
from tests.broker_servers import BrokerServer, Link
from tests.serving_worker import serving, until_listening
from tests.worker_harness import Floor, gnn_result, until
from worker.context import WorkerContext
from worker.slots import Slots

WORKS_UNTIL_TOLD = """
say("phase", phase="train")
while not (out.parents[2] / "go").exists():
    time.sleep(0.02)
finish()
"""
# Each stand-in waits for a second one, and notes how many are there.
COUNTS_ALL = """
place = out.parents[2] / "present"
place.mkdir(exist_ok=True)
mine = place / str(os.getpid())
mine.touch()
deadline = time.monotonic() + 5
while len(list(place.iterdir())) < 2 and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.1)
(out.parents[2] / "seen").open("a").write(f"{len(list(place.iterdir()))}\\n")
mine.unlink()
finish()
"""


STOPS_WHEN_TOLD = """
def stop(*_):
    while not (out.parents[2] / "go").exists():
        time.sleep(0.02)
    os._exit(8)
stopped(stop)
wait()
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerServer]:
    with BrokerServer(tmp_path / "broker") as server:
        yield server


def succeeded(floor: Floor, run_id: str) -> None:
    """Wait until the run has succeeded."""
    until(lambda: floor.state(run_id).terminal, "the run ends")
    assert floor.state(run_id) is RunState.SUCCEEDED


def test_a_run_that_nobody_was_notified_of_starts_at_a_heartbeat_while_the_link_to_the_broker_hangs(
    floor: Floor, broker: BrokerServer
) -> None:
    context = floor.context("finish()", heartbeat_s=0.2)
    with Link(broker.port) as link, serving(context, link.url):
        until_listening(floor)
        link.freeze()
        run_id = floor.prepare_run()

        succeeded(floor, run_id)

        until_listening(floor, listening=False)
        link.thaw()
        until_listening(floor)


def test_without_any_broker_a_worker_starts_runs_and_drains_as_with_one(small_floor: Floor) -> None:
    runs = small_floor.gnn_runs(3)
    context = small_floor.context("finish()", result=gnn_result(), heartbeat_s=0.1)

    with serving(context, "redis://127.0.0.1:1/0"):
        for run_id in runs:
            succeeded(small_floor, run_id)


def test_notifications_and_heartbeats_together_never_fill_more_slots_than_there_are(
    floor: Floor, broker: BrokerServer
) -> None:
    runs = floor.gnn_runs(8)
    context = floor.context(COUNTS_ALL, result=gnn_result(), slots=2, heartbeat_s=0.05, lease_s=60.0)

    with serving(context, broker.url) as notifier:
        until_listening(floor)
        for run_id in runs * 2:
            notifier.notify(run_id, "cpu")
        for run_id in runs:
            succeeded(floor, run_id)

    seen = [int(line) for line in (floor.folder / "artifacts" / "seen").read_text().split()]
    assert len(seen) == 8
    assert max(seen) == 2
    assert {floor.run(run_id).attempt for run_id in runs} == {1}


@pytest.mark.parametrize("frozen", [False, True], ids=["broker there", "broker frozen"])
def test_a_worker_that_is_told_to_stop_gives_its_run_back_whatever_the_broker_does(
    small_floor: Floor, broker: BrokerServer, frozen: bool
) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context("stopped(lambda *_: os._exit(8))\nwait()", heartbeat_s=0.2)
    with Link(broker.port) as link:
        with serving(context, link.url):
            until(lambda: small_floor.run(run_id).phase == "train", "the trainer trains")
            if frozen:
                link.freeze()
        link.thaw()

    run = small_floor.run(run_id)
    assert (run.state, run.recoveries, run.worker) == (RunState.QUEUED, 0, None)


@pytest.mark.parametrize("harm", ["role", "nonsense", "killed connections", "restart"])
def test_whatever_ends_the_consumer_leaves_the_running_trainer_alone_and_it_listens_again(
    small_floor: Floor, broker: BrokerServer, harm: str
) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(WORKS_UNTIL_TOLD, slots=2, heartbeat_s=0.2)
    with serving(context, broker.url) as notifier, broker.client() as client:
        until_listening(small_floor)
        until(lambda: small_floor.run(run_id).phase == "train", "the trainer trains")

        do_harm(harm, broker, client)

        until(lambda: notifier.notify(run_id, "cpu"), "messages are taken again")
        until(lambda: client.llen("cpu") == 0, "somebody took the message")
        until_listening(small_floor)
        (small_floor.folder / "artifacts" / "go").touch()
        succeeded(small_floor, run_id)

    assert small_floor.run(run_id).attempt == 1


def do_harm(harm: str, broker: BrokerServer, client: redis.Redis) -> None:
    match harm:
        case "role":
            # As every failover does; the master that it names is nobody.
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
            client.execute_command("REPLICAOF", "NO", "ONE")
        case "nonsense":
            client.lpush("cpu", b"no message")
        case "killed connections":
            client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        case "restart":
            broker.kill()
            broker.__enter__()


def test_a_broker_that_is_full_leaves_no_data_set_in_preparing(small_floor: Floor, broker: BrokerServer) -> None:
    context = small_floor.context("finish()", heartbeat_s=0.2)
    with serving(context, broker.url) as notifier, broker.client() as client:
        until_listening(small_floor)
        client.config_set("maxmemory", 1)
        run_id = small_floor.prepare_run()

        assert not notifier.notify(run_id, "cpu")
        succeeded(small_floor, run_id)

    with small_floor.database.read() as session:
        assert [dataset.state for dataset in list_datasets(session)] == [DatasetState.READY]


def test_who_was_just_kept_waiting_by_a_broker_that_hangs_does_not_ask_it_again(broker: BrokerServer) -> None:
    with Link(broker.port) as link:
        notifier = CeleryNotifier(link.url)
        assert notifier.notify("run_1", "cpu")
        link.freeze()
        assert not notifier.notify("run_2", "cpu")
        before = link.connections

        assert [notifier.notify(f"run_{number}", "cpu") for number in range(100)] == [False] * 100

        assert link.connections == before
        notifier.close()


def test_a_full_worker_takes_no_notification_that_another_could_follow(
    small_floor: Floor, broker: BrokerServer
) -> None:
    context = small_floor.context(WORKS_UNTIL_TOLD, heartbeat_s=0.2)
    first = small_floor.prepare_run()
    with serving(context, broker.url) as notifier, broker.client() as client:
        until(lambda: small_floor.run(first).phase == "train", "its slot is taken")
        # One message may be on its way to it.
        for _ in range(3):
            assert notifier.notify(first, "cpu")

        until(lambda: client.llen("cpu") == 2, "it took one at most")
        until(lambda: client.llen("cpu") == 2, "and leaves the others")
        (small_floor.folder / "artifacts" / "go").touch()
        until(lambda: client.llen("cpu") == 0, "with room again it hears all")


def test_a_slot_is_free_again_after_a_bug_in_its_supervision(
    small_floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_floor.gnn_runs(2)
    context = small_floor.context("finish()", result=gnn_result())
    filled = threading.Semaphore(0)

    def broken(_context: WorkerContext, _claim: object) -> None:
        # Not before the slots are filled, or one of them would take both runs.
        filled.acquire()
        raise ValueError("a bug")

    monkeypatch.setattr("worker.claim_loop.supervise", broken)
    slots = Slots(context)

    for _ in range(2):
        assert slots.fill() == 1
        filled.release()
        slots.join()


def test_a_worker_that_is_told_to_stop_takes_no_further_message(small_floor: Floor, broker: BrokerServer) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(STOPS_WHEN_TOLD, slots=2, heartbeat_s=0.2, grace_s=60.0)
    with serving(context, broker.url) as notifier:
        until(lambda: small_floor.run(run_id).phase == "train", "the trainer trains")
        context.draining.set()
        until(lambda: "consumer" not in {thread.name for thread in threading.enumerate()}, "the consumer ends")

        notifier.notify("run_1", "cpu")
        (small_floor.folder / "artifacts" / "go").touch()

    with broker.client() as client:
        # That of the run which was given back, and the other one.
        assert client.llen("cpu") == 2


def test_a_slot_is_free_again_where_no_thread_could_be_started(
    small_floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_floor.prepare_run()
    slots = Slots(small_floor.context("finish()", slots=1))

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            slots.fill()

    slots.join()


def test_an_end_of_the_consumer_that_the_broker_did_not_cause_is_counted(
    small_floor: Floor, broker: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(worker.consumer, "_work_controller", fail)

    def deaths() -> list[tuple[str, str, str]]:
        with small_floor.database.read() as session:
            return [(row.process, row.thread, row.error) for row in watched_threads(session)]

    with serving(small_floor.context("finish()", heartbeat_s=0.2), broker.url):
        until(lambda: deaths() == [("worker", "consumer", "ValueError")], "the end is counted")
