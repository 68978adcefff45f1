"""`cellgate up`: API, reconciler, worker and broker on this machine as supervised processes."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import structlog

from cellgate.contract.processes import module_command, module_environment
from service.broker.embedded import EmbeddedBroker
from service.die_with_parent import die_with_parent
from service.folder_check import check_folders
from service.settings import Settings
from service.startup_check import MissingAdminToken, check_startup
from service.store.database import Database, UnsuitableDatabase, migrate
from service.supervision import Supervision

FIRST_BACKOFF_S = 0.5
SLOWEST_BACKOFF_S = 30.0
STEADY_AFTER_S = 30.0
LOOK_EVERY_S = 0.2
READY_TIMEOUT_S = 120.0
MARGIN_S = 15.0
log = structlog.get_logger(__name__)


class StackFailed(Exception):
    """The service could not be started; the message names the remedy."""


@dataclass(kw_only=True)
class ManagedProcess:
    """A process that the supervisor keeps running.

    Args:
        name: Name in the log.
        command: Program and arguments.
    """

    name: str
    command: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    start_at: float = 0.0


class ProcessSupervisor:
    """Start child processes, restart those that die after growing delays, and stop all together.

    Args:
        children: Processes to run.
        environment: Environment of every child.
    """

    def __init__(self, children: Sequence[ManagedProcess], environment: Mapping[str, str]) -> None:
        self.children = children
        self._environment = dict(environment)

    def look(self) -> None:
        """Start the children that are due, and schedule a restart of those that have died."""
        now = time.monotonic()
        for child in self.children:
            if child.process is None and now >= child.start_at:
                self._start(child, now)
            elif child.process is not None and child.process.poll() is not None:
                self._on_exit(child, now)

    def stop(self, *, grace_s: float, hurry: threading.Event) -> None:
        """Send SIGTERM to all children, wait, then kill those that are left with their process groups.

        Args:
            grace_s: Longest wait before the kill.
            hurry: Ends the wait at once when it is set.
        """
        living = [child.process for child in self.children if child.process is not None]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + grace_s
        while any(process.poll() is None for process in living) and time.monotonic() < deadline:
            if hurry.wait(0.05):
                break
        for process in living:
            # Its whole group, also when the child itself has gone: nothing may be left behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, child: ManagedProcess, now: float) -> None:
        # A session of its own: Ctrl-C reaches only us, and we end the children in order.
        child.started_at = now
        try:
            child.process = subprocess.Popen(
                die_with_parent(child.command),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        # No memory or no process to spare at the moment: the other children go on.
        except OSError as error:
            log.warning("child_not_started", child=child.name, error=str(error))
            self._on_exit(child, now)

    def _on_exit(self, child: ManagedProcess, now: float) -> None:
        code = child.process.returncode if child.process is not None else None
        if now - child.started_at > STEADY_AFTER_S:
            child.backoff_s = FIRST_BACKOFF_S
        log.warning("child_died", child=child.name, exit_code=code, again_in_s=child.backoff_s)
        child.process = None
        child.start_at = now + child.backoff_s
        child.backoff_s = min(2 * child.backoff_s, SLOWEST_BACKOFF_S)


def run_local_stack(settings: Settings, *, with_worker: bool, announce: Callable[[str], None]) -> None:
    """Run the service until SIGINT or SIGTERM; a second one does not wait for checkpoints.

    Args:
        settings: Settings of the service; `port` 0 takes a free one.
        with_worker: Also run a worker on this machine.
        announce: Called with the URL once the API answers.

    Raises:
        StackFailed: The service cannot be started.
        UnusableError: A folder cannot be written to.
        sqlalchemy.exc.DBAPIError: The database is away, full or damaged.
    """
    stop, hurry = threading.Event(), threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    port = claim_port(settings.host, settings.port)
    check_folders(settings)
    _prepare_database(settings)
    with ExitStack() as stack:
        database = Database(settings.database, silence_s=settings.database_silence_s)
        stack.callback(database.dispose)
        redis_url = (
            settings.redis_url
            or stack.enter_context(
                EmbeddedBroker(settings.data_dir / "broker", supervision=Supervision("up", database))
            ).url
        )
        environment = child_environment(settings, redis_url=redis_url, port=port)
        supervisor = ProcessSupervisor(stack_processes(with_worker=with_worker), environment)
        try:
            _wait_until_ready(supervisor, settings.host, port, stop)
            if not stop.is_set():
                announce(f"http://{_reachable(settings.host)}:{port}")
            while not stop.wait(LOOK_EVERY_S):
                supervisor.look()
        finally:
            supervisor.stop(grace_s=settings.grace_s + MARGIN_S, hurry=hurry)


def _prepare_database(settings: Settings) -> None:
    database = Database(settings.database)
    try:
        migrate(settings.database)
        check_startup(settings, database)
    except (UnsuitableDatabase, MissingAdminToken) as error:
        raise StackFailed(str(error)) from error
    finally:
        database.dispose()


def stack_processes(*, with_worker: bool) -> list[ManagedProcess]:
    """Return the processes that make up the service, the API first."""
    children = [
        ManagedProcess(name="api", command=module_command("service", "serve")),
        ManagedProcess(name="reconciler", command=module_command("worker", "reconciler")),
    ]
    if with_worker:
        children.append(ManagedProcess(name="worker", command=module_command("worker", "run")))
    return children


def child_environment(settings: Settings, *, redis_url: str, port: int) -> dict[str, str]:
    """Return this process's environment with every setting that was decided here.

    Args:
        settings: Settings of the whole stack.
        redis_url: URL of the broker, embedded or not.
        port: Port that the API listens on; never 0.
    """
    return {
        **module_environment(os.environ),
        "CELLGATE_DATA_DIR": str(settings.data_dir.resolve()),
        "CELLGATE_DATABASE_URL": settings.database,
        "CELLGATE_REDIS_URL": redis_url,
        "CELLGATE_DATA_ROOTS": json.dumps([str(root.resolve()) for root in settings.data_roots]),
        "CELLGATE_MODEL_ROOTS": json.dumps([str(root.resolve()) for root in settings.model_roots]),
        "CELLGATE_HOST": settings.host,
        "CELLGATE_PORT": str(port),
        "CELLGATE_SLOTS": str(settings.slots),
    }


def claim_port(host: str, port: int) -> int:
    """Return the port to listen on, a free one for 0.

    Raises:
        StackFailed: It is taken, or there is no such address here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StackFailed(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
        return int(probe.getsockname()[1])


def _wait_until_ready(supervisor: ProcessSupervisor, host: str, port: int, stop: threading.Event) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not stop.wait(LOOK_EVERY_S):
        supervisor.look()
        if any(child.backoff_s > FIRST_BACKOFF_S for child in supervisor.children):
            raise StackFailed("a part of the service ended at its start; its message stands above")
        if _answers(f"http://{_reachable(host)}:{port}/readyz"):
            return
        if time.monotonic() > deadline:
            raise StackFailed(f"the API did not get ready within {READY_TIMEOUT_S:.0f} s")


def _answers(url: str) -> bool:
    # Without the environment's proxy, which would look for the service on its own machine.
    direct = build_opener(ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError, ValueError):
        return False


def _reachable(host: str) -> str:
    """Return an address that reaches a server listening on `host`."""
    plain = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{plain}]" if ":" in plain else plain
