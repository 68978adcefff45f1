"""Redis-protocol servers of a test's own, to be broken, and a link to one that can be frozen or wrapped into TLS."""

import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from service.broker.embedded import find_server
from tests.worker_harness import until

LOOK_S = 0.05


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class BrokerServer:
    """A server on a TCP port, as a context manager.

    Args:
        folder: Of its files.
        arguments: Further ones of its command line.
        port: Of the server; None: a free one.
    """

    def __init__(self, folder: Path, *arguments: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._folder = folder
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client without a password."""
        return redis.Redis(port=self.port, socket_timeout=5)

    def __enter__(self) -> "BrokerServer":
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [find_server(), *self._arguments, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self._folder)]
        if "--sentinel" not in self._arguments:
            command += ["--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with self.client() as client:
            until(lambda: _answers(client), "the server answers")
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except redis.RedisError:
        return False


class Link:
    """A TCP proxy to a server on this machine; frozen, it accepts connections and carries nothing, without a word.

    Args:
        port: The server's.
        tls: Speaks TLS with clients; None: plain.
    """

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._target = port
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self._open = threading.Event()
        self._open.set()
        self._ended = threading.Event()

    @property
    def url(self) -> str:
        """Of the server's first database, through the link."""
        return f"{'redis' if self._tls is None else 'rediss'}://127.0.0.1:{self.port}/0"

    def __enter__(self) -> "Link":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._open.set()
        self._listener.close()

    def freeze(self) -> None:
        """Carry nothing from now on, as a link whose packets are dropped."""
        self._open.clear()

    def thaw(self) -> None:
        """Carry again."""
        self._open.set()

    def _accept(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError):
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            with client:
                ends = {client: server, server: client}
                while not self._ended.is_set():
                    pending = isinstance(client, ssl.SSLSocket) and client.pending()
                    ready = [client] if pending else select.select(list(ends), [], [], LOOK_S)[0]
                    if not self._open.is_set():
                        self._open.wait()
                    for end in ready:
                        if not (data := end.recv(65_536)):
                            return
                        ends[end].sendall(data)


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """A CA of the test's own, and a server's certificate for 127.0.0.1 that it signed.

    Args:
        ca: The CA's file.
        certificate: The server's file.
        key: The server's private key's file.
    """

    ca: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return the server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Return a CA and a server's certificate, made by `openssl`."""
    found = Certificates(ca=folder / "ca.pem", certificate=folder / "broker.pem", key=folder / "broker.key")
    ca_key = folder / "ca.key"
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-x509"]
    _openssl("req", *new, "-keyout", str(ca_key), "-out", str(found.ca), "-subj", "/CN=test CA")
    signed = ["-CA", str(found.ca), "-CAkey", str(ca_key), "-addext", "subjectAltName=IP:127.0.0.1"]
    signed += ["-addext", "basicConstraints=critical,CA:FALSE"]
    _openssl("req", *new, *signed, "-keyout", str(found.key), "-out", str(found.certificate), "-subj", "/CN=broker")
    return found


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@contextmanager
def sentinel_of(folder: Path, master: BrokerServer, *, name: str = "queue") -> Iterator[BrokerServer]:
    """Yield a Sentinel that watches a master and lets a replica take over within a second of its end."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "sentinel.conf"
    config.write_text(
        f"sentinel monitor {name} 127.0.0.1 {master.port} 1\n"
        f"sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 2000\n"
    )
    with BrokerServer(folder, str(config), "--sentinel") as sentinel:
        yield sentinel
