import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from service.broker.connections import redis_client
from service.broker.embedded import EmbeddedBroker
from service.broker.notify import CeleryNotifier
from tests.worker_harness import until


@pytest.fixture
def running(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "broker") as running:
        yield running


def server_of(broker: EmbeddedBroker) -> psutil.Process:
    """Return the server's process: the child of ours that was told of this socket, if it has not ended."""
    (server,) = [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and str(broker.socket) in " ".join(child.cmdline())
    ]
    return server


def answers(broker: EmbeddedBroker) -> bool:
    with redis_client(broker.url) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def test_it_answers_both_the_client_and_the_notifier(running: EmbeddedBroker) -> None:
    notifier = CeleryNotifier(running.url)

    assert answers(running)
    assert notifier.problem() is None
    assert notifier.notify("run_1", "cpu")
    notifier.close()


def test_nobody_else_can_reach_it(running: EmbeddedBroker) -> None:
    mode = stat.S_IMODE(running.socket.stat().st_mode)

    assert mode & 0o077 == 0
    assert server_of(running).net_connections("inet") == []


def test_it_comes_back_after_it_was_killed(running: EmbeddedBroker) -> None:
    before = server_of(running)

    before.send_signal(signal.SIGKILL)

    until(lambda: not before.is_running() and answers(running), "the broker answers again")
    assert server_of(running).pid != before.pid


def test_a_path_too_long_for_a_socket_gives_way_to_a_short_private_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with EmbeddedBroker(folder) as broker:
        temporary = broker.socket.parent
        assert answers(broker)
        assert len(os.fsencode(broker.socket)) <= 100
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o700

    assert not temporary.exists()


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        server = server_of(broker)

    assert not server.is_running()
    assert list((tmp_path / "broker").iterdir()) == []


def test_a_socket_left_by_a_dead_server_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "broker.sock").touch()

    with EmbeddedBroker(tmp_path) as broker:
        assert answers(broker)


def test_what_goes_wrong_inside_does_not_leave_it_running(tmp_path: Path) -> None:
    def fails(broker: EmbeddedBroker, servers: list[psutil.Process]) -> None:
        with broker:
            servers.append(server_of(broker))
            raise KeyError("inside")

    servers: list[psutil.Process] = []
    with pytest.raises(KeyError, match="inside"):
        fails(EmbeddedBroker(tmp_path), servers)

    assert not servers[0].is_running()
