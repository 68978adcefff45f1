"""Starts trainers within milliseconds: a process that has imported everything and computed nothing, and forks.

`python -m trainers.fork_server SOCKET` listens on a Unix socket; one connection is one trainer:

1. The server sends `{"ready": true}`.
2. The client sends `{"arguments": [...], "environment": {...}}`, one line, with two descriptors: the trainer's standard
   input, and where its output goes.
3. The server sends `{"pid": N}`, and when the trainer has ended `{"exit_code": N}`, negative for the signal.

The trainer leads a process group of its own and sees its own environment alone: `CUDA_VISIBLE_DEVICES` counts, since
nothing here has touched CUDA. The server ends at the end of its own standard input, and removes the socket with the
folder that it alone lies in. However it ends, its trainers end with it, on Linux at once, even one that stands still.
"""

import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cellgate.contract.cells import CELLS
from cellgate.contract.exit_codes import ExitCode

# What training imports, the optimizer's lazy `torch._dynamo` (seconds) among it. Imports only: a tensor operation may
# start threads, and a look at CUDA would make it unusable in the forks.
PRELOADED = (
    "torch._dynamo",
    "sklearn.linear_model",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.eurobert.modeling_eurobert",
    *(entry.trainer.partition(":")[0] for entry in CELLS),
    "trainers.__main__",
    "trainers.heartbeat_pipe",
    "trainers.run_cell",
)
MAX_REQUEST_BYTES = 1 << 20
REQUEST_TIMEOUT_S = 10.0
# From linux/prctl.h.
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class ForkRequest:
    """What to start, with the descriptors of its standard input and of its output."""

    arguments: list[str]
    environment: dict[str, str]
    stdin: int
    output: int


class ForkServer:
    """Waits for connections, forks, and reports how each fork ended.

    Args:
        listener: A listening Unix socket.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._client_of: dict[int, socket.socket] = {}
        # A byte arrives here at every SIGCHLD, so that one loop can wait for everything.
        self._wakeup, self._wakeup_writer = socket.socketpair()
        self._wakeup_writer.setblocking(False)

    def serve(self) -> None:
        """Serve until standard input ends."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_writer.fileno())
        for file in (self._listener, self._wakeup, sys.stdin):
            self._selector.register(file, selectors.EVENT_READ)
        # What was imported is never freed: the collector need not touch its pages, which the forks share.
        gc.freeze()
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._greet()
                elif key.fileobj is self._wakeup:
                    self._wakeup.recv(4096)
                    self._reap()
                elif isinstance(key.fileobj, socket.socket):
                    self._answer(key.fileobj)
                elif not os.read(sys.stdin.fileno(), 4096):
                    return

    def _greet(self) -> None:
        client, _ = self._listener.accept()
        client.settimeout(REQUEST_TIMEOUT_S)
        if _say(client, {"ready": True}):
            self._selector.register(client, selectors.EVENT_READ)
        else:
            client.close()

    def _answer(self, client: socket.socket) -> None:
        """Fork for one client's request; close the connection of one that sends none, or an invalid one."""
        self._selector.unregister(client)
        try:
            request = read_request(client)
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"fork server: not a request: {error}", file=sys.stderr)
            client.close()
            return
        if request is None:
            client.close()
            return
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            _end_with(server)
            self._leave()
            become_trainer(request)
        _lead_group(pid)
        self._client_of[pid] = client
        os.close(request.stdin)
        os.close(request.output)
        _say(client, {"pid": pid})

    def _leave(self) -> None:
        """Close, in a fork, everything that belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for held in (self._listener, self._wakeup, self._wakeup_writer, *self._client_of.values()):
            held.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            client = self._client_of.pop(pid, None)
            if client is not None:
                _say(client, {"exit_code": os.waitstatus_to_exitcode(status)})
                client.close()


def _end_with(server: int) -> None:
    """Have the kernel kill this fork when its server has gone; elsewhere its heartbeat pipe does so later.

    Source:
        PR_SET_PDEATHSIG in prctl(2): https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent ended before the request to the kernel.
    if os.getppid() != server:
        os._exit(ExitCode.INTERRUPTED)


def _lead_group(pid: int) -> None:
    """Make a fork the leader of its own group; done on both sides, since either may need it first."""
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)


def _say(client: socket.socket, message: dict[str, Any]) -> bool:
    """Send one line; False when the client has gone, which ends nothing here: its trainer sees to itself."""
    try:
        client.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        return False
    return True


def read_request(client: socket.socket) -> ForkRequest | None:
    """Return the client's request; None when it closed the connection without one.

    Raises:
        OSError: It stopped in the middle.
        ValueError: It is not a request.
    """
    content, descriptors, _, _ = socket.recv_fds(client, 65_536, 2)
    if not content:
        return None
    while not content.endswith(b"\n"):
        more = client.recv(65_536)
        if not more or len(content) > MAX_REQUEST_BYTES:
            raise ValueError(f"{len(content)} bytes without an end of line")
        content += more
    if len(descriptors) != 2:
        raise ValueError(f"{len(descriptors)} descriptors, expected standard input and output")
    request = json.loads(content)
    stdin, output = descriptors
    return ForkRequest(arguments=request["arguments"], environment=request["environment"], stdin=stdin, output=output)


def become_trainer(request: ForkRequest) -> NoReturn:
    """Run the requested trainer, and end with its exit code."""
    code: int = ExitCode.INTERNAL_ERROR
    try:
        _lead_group(os.getpid())
        os.dup2(request.stdin, 0)
        os.dup2(request.output, 1)
        os.dup2(request.output, 2)
        os.closerange(3, max(request.stdin, request.output) + 1)
        os.environ.clear()
        os.environ.update(request.environment)
        _enter_folder(request.arguments)
        code = _run(request.arguments)
    # The fork ends here, whatever it was: nothing of it may go on in the server's loop.
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _enter_folder(arguments: Sequence[str]) -> None:
    """Work in the run's own folder: elsewhere a folder might lie that has the name of a model on the hub."""
    if "--out" in arguments:
        folder = Path(arguments[arguments.index("--out") + 1])
        if folder.is_absolute() and folder.is_dir():
            os.chdir(folder)


def _run(arguments: Sequence[str]) -> int:
    from trainers.__main__ import main

    try:
        return main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.BAD_SPEC


def preload() -> None:
    """Import what training needs; a failed import is reported by the trainer that needs it."""
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"fork server: {name} is not preloaded: {error}", file=sys.stderr)


def main(arguments: Sequence[str]) -> int:
    """Listen, import, serve; a client that connects meanwhile waits for `ready`."""
    path = Path(arguments[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(256)
        preload()
        ForkServer(listener).serve()
    # The client may have been killed: nobody else would clear up.
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
