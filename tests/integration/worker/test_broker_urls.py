"""Every form of the broker's URL on real servers: API and worker reach them, and no log shows a password."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
import structlog

from service.broker.connections import redis_client
from service.broker.notify import CeleryNotifier
from service.supervision import Supervision
from tests.broker_servers import BrokerServer, Link, free_port, make_certificates, sentinel_of
from tests.serving_worker import serving, until_listening
from tests.worker_harness import Floor, until
from worker.consumer import NotificationConsumer

SECRET = "hidden-Pa55/word"
QUOTED = "hidden-Pa55%2Fword"
REPLICA = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


@contextmanager
def plain(folder: Path) -> Iterator[str]:
    with BrokerServer(folder) as server:
        yield server.url


@contextmanager
def with_password(folder: Path) -> Iterator[str]:
    with BrokerServer(folder, "--requirepass", SECRET) as server:
        yield f"redis://:{QUOTED}@127.0.0.1:{server.port}/0"


@contextmanager
def with_acl_user(folder: Path) -> Iterator[str]:
    with BrokerServer(folder) as server, server.client() as admin:
        allowed = ["~cpu*", "~_kombu.*", "~unacked*", "~cellgate:*", "&*", "+@all", "-@dangerous", "-@admin", "+info"]
        admin.execute_command("ACL", "SETUSER", "cellgate", "on", f">{SECRET}", *allowed)
        admin.execute_command("ACL", "SETUSER", "default", "off")
        yield f"redis://cellgate:{QUOTED}@127.0.0.1:{server.port}/0"


@contextmanager
def in_database_seven(folder: Path) -> Iterator[str]:
    with BrokerServer(folder) as server:
        yield f"redis://127.0.0.1:{server.port}/7"


@contextmanager
def over_tls(folder: Path) -> Iterator[str]:
    folder.mkdir()
    certificates = make_certificates(folder)
    with (
        BrokerServer(folder, "--requirepass", SECRET) as server,
        Link(server.port, tls=certificates.server_context()) as link,
    ):
        yield f"rediss://:{QUOTED}@127.0.0.1:{link.port}/0?ssl_ca_certs={certificates.ca}"


@contextmanager
def over_the_servers_own_tls(folder: Path) -> Iterator[str]:
    folder.mkdir()
    certificates, port = make_certificates(folder), free_port()
    files = ["--tls-cert-file", str(certificates.certificate), "--tls-key-file", str(certificates.key)]
    files += ["--tls-ca-cert-file", str(certificates.ca), "--tls-auth-clients", "no"]
    with BrokerServer(folder, "--tls-port", str(port), *files, required=False) as server:
        if server.has_ended:
            pytest.skip("this machine's server was built without TLS; `over_tls` puts it behind a proxy that has it")
        yield f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificates.ca}"


@contextmanager
def on_a_socket(folder: Path) -> Iterator[str]:
    path = folder / "broker.sock"
    with BrokerServer(folder, "--unixsocket", str(path)):
        yield f"redis+socket://{path}?virtual_host=2"


@contextmanager
def named_by_sentinels(folder: Path) -> Iterator[str]:
    with BrokerServer(folder / "server") as master, sentinel_of(folder / "sentinel", master) as sentinel:
        # The first of them is nobody.
        yield f"sentinel://127.0.0.1:1;127.0.0.1:{sentinel.port}/3?master_name=queue"


FORMS = (
    plain,
    with_password,
    with_acl_user,
    in_database_seven,
    over_tls,
    over_the_servers_own_tls,
    on_a_socket,
    named_by_sentinels,
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_notification_reaches_a_worker_over_every_form_of_url(
    small_floor: Floor, form: Callable[[Path], Iterator[str]], tmp_path: Path
) -> None:
    heard: list[int] = []
    context = small_floor.context("finish()")
    with form(tmp_path / "broker") as url:  # type: ignore[attr-defined]
        notifier = CeleryNotifier(url)
        consumer = NotificationConsumer(context, url, lambda: heard.append(1), Supervision("worker"))
        consumer.start()
        try:
            assert notifier.problem() is None
            assert notifier.notify("run_1", "cpu")
            until(lambda: heard == [1], "the worker hears it")
            assert consumer.connected
        finally:
            context.draining.set()
            consumer.join()
            notifier.close()


@pytest.mark.parametrize("form", [with_password, with_acl_user, over_tls], ids=lambda form: form.__name__)
def test_a_wrong_password_is_told_in_words_that_show_none(
    form: Callable[[Path], Iterator[str]], tmp_path: Path
) -> None:
    with form(tmp_path / "broker") as url, structlog.testing.capture_logs() as logs:  # type: ignore[attr-defined]
        notifier = CeleryNotifier(url.replace("word@", "words@"))

        assert notifier.problem() == "it refuses the user or password of CELLGATE_REDIS_URL"
        assert not notifier.notify("run_1", "cpu")

        notifier.close()
    assert "hidden" not in str(logs)


def test_a_certificate_of_an_unknown_ca_is_refused(tmp_path: Path) -> None:
    with over_tls(tmp_path / "broker") as url:
        notifier = CeleryNotifier(url.partition("?")[0])

        assert str(notifier.problem()).startswith("its certificate is not trusted")
        assert not notifier.notify("run_1", "cpu")
        notifier.close()


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["CONFIG", "SET", "maxmemory", "1"], "its memory is full"),
        (["REPLICAOF", "127.0.0.1", "1"], "it is a read-only replica"),
        (["CONFIG", "SET", "requirepass", SECRET], "it wants a password"),
        (["ACL", "SETUSER", "default", "-set"], "its ACL refuses"),
    ],
)
def test_a_broker_that_answers_pings_and_takes_no_messages_is_told_apart(
    tmp_path: Path, command: list[str], problem: str
) -> None:
    with BrokerServer(tmp_path / "broker") as server, server.client() as admin:
        admin.execute_command(*command)
        notifier = CeleryNotifier(server.url)

        assert str(notifier.problem()).startswith(problem)

        notifier.close()


def test_a_run_that_is_submitted_after_a_failover_is_started_through_the_new_master(
    small_floor: Floor, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        old = stack.enter_context(BrokerServer(tmp_path / "old", *REPLICA))
        replica_of = ("--replicaof", f"127.0.0.1 {old.port}")
        new = stack.enter_context(BrokerServer(tmp_path / "new", *REPLICA, *replica_of))
        with old.client() as client:
            until(lambda: client.info("replication")["connected_slaves"] == 1, "the replica follows")
        sentinel = stack.enter_context(sentinel_of(tmp_path / "sentinel", old))
        with sentinel.client() as client:
            until(lambda: knows_replica(client), "the Sentinel knows the replica")
        url = f"sentinel://127.0.0.1:{sentinel.port}/0?master_name=queue"
        # A heartbeat later than the test: the notification alone starts the run.
        context = small_floor.context("finish()", heartbeat_s=10.0)
        notifier = stack.enter_context(serving(context, url))
        until_listening(small_floor)

        old.kill()

        with redis_client(url) as master:
            until(lambda: is_master(master, new.port), "the replica is the master")
        run_id = small_floor.prepare_run()
        until(lambda: notifier.notify(run_id, "cpu"), "the new master takes the message")
        until(lambda: small_floor.state(run_id).terminal, "the run ends")
        with new.client() as client:
            until(lambda: client.llen("cpu") == 0, "the worker took the message from the new master")

    assert small_floor.state(run_id) == "succeeded"


def knows_replica(sentinel: redis.Redis) -> bool:
    return len(sentinel.execute_command("SENTINEL", "REPLICAS", "queue")) == 1


def is_master(client: redis.Redis, port: int) -> bool:
    try:
        return bool(client.info("server")["tcp_port"] == port and client.info("replication")["role"] == "master")
    except redis.RedisError:
        return False
