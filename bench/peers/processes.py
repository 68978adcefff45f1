"""Processes of the servers under test: started with a tag, found again by it, measured and ended together."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.peers.settings import PROGRAMS, BenchSettings

MARK = "PEERS_PROCESS_OF"
MIB = 1024 * 1024
POLL_S = 0.1
KILL_TRIES = 20


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of a group of processes.

    Args:
        rss_mib: Sum of the resident sets; shared pages count once per process.
        pss_mib: The same with shared pages divided among the processes that share them: what the group costs.
    """

    processes: int
    rss_mib: float
    pss_mib: float


class ProcessTable:
    """Starts processes under a tag. Servers fork, daemonize and rename themselves; the tag finds all of them.

    Args:
        settings: Where logs and home folders go.
    """

    def __init__(self, settings: BenchSettings) -> None:
        self._settings = settings
        self._started: dict[str, list[subprocess.Popen[str]]] = {}

    def start(
        self,
        tag: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        log: str | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        piped: bool = False,
    ) -> "subprocess.Popen[str]":
        """Start a process in a session of its own, with little more than the given environment.

        Args:
            tag: Which peer or shared server it belongs to.
            command: Program and arguments.
            environment: Added to a small common one.
            log: Name of the log file, without suffix; the tag if None.
            cwd: Working folder; a home folder of the tag's own if None.
            user: System account to run as; ours if None.
            piped: Connect standard input and output to the harness.
        """
        home = self._settings.folder / "home" / tag
        home.mkdir(parents=True, exist_ok=True)
        self._settings.logs.mkdir(parents=True, exist_ok=True)
        pipes = (subprocess.PIPE, subprocess.PIPE) if piped else (subprocess.DEVNULL, None)
        with (self._settings.logs / f"{log or tag}.log").open("ab") as file:
            process = subprocess.Popen(
                command,
                env=self._environment(tag, home) | dict(environment or {}),
                stdin=pipes[0],
                stdout=pipes[1] or file,
                stderr=file,
                cwd=cwd or home,
                text=True,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        self._started.setdefault(tag, []).append(process)
        return process

    def _environment(self, tag: str, home: Path) -> dict[str, str]:
        settings = self._settings
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "DO_NOT_TRACK": "1",
            MARK: self._mark(tag),
            "PEERS_MARKS": str(settings.marks),
            "PEERS_JOB": str(PROGRAMS / "job.py"),
            "PEERS_JOB_PYTHON": str(settings.job_python),
            "PEERS_RUNS_PRESENT": str(settings.runs_present),
            "PEERS_REDIS_PORT": str(settings.redis_port),
        }

    def _mark(self, tag: str) -> str:
        return f"{tag}:{os.getpid()}"

    def living(self, tags: Iterable[str]) -> set[int]:
        """Return the process ids of these tags.

        A process belongs to a tag by the mark in its inherited environment, by the session of a process that was
        started under the tag, or by descent: some servers overwrite their environment, others leave their session.
        """
        marks = {self._mark(tag) for tag in tags}
        roots = {process.pid for tag in tags for process in self._started.get(tag, [])}
        found: set[int] = set()
        parents: dict[int, int] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid == os.getpid() or self._is_zombie(process):
                    continue
                parents[process.pid] = process.ppid()
                if os.getsid(process.pid) in roots or process.environ().get(MARK) in marks:
                    found.add(process.pid)
        return _with_descendants(found, parents)

    def _is_zombie(self, process: psutil.Process) -> bool:
        if process.status() != psutil.STATUS_ZOMBIE:
            return False
        ours = {child.pid for group in self._started.values() for child in group}
        if process.ppid() == os.getpid() and process.pid not in ours:
            # In a process namespace orphans become our children.
            os.waitpid(process.pid, os.WNOHANG)
        return True

    def memory(self, tags: Iterable[str]) -> Memory:
        """Return what these tags' processes hold now."""
        found = []
        for pid in self.living(tags):
            with suppress(psutil.Error):
                found.append(psutil.Process(pid).memory_full_info())
        return Memory(
            processes=len(found),
            rss_mib=sum(info.rss for info in found) / MIB,
            pss_mib=sum(info.pss for info in found) / MIB,
        )

    def cpu_s(self, tags: Iterable[str]) -> float:
        """Return the CPU seconds of these tags' living processes and of the children they have waited for."""
        total = 0.0
        for pid in self.living(tags):
            with suppress(psutil.Error):
                total += sum(psutil.Process(pid).cpu_times()[:4])
        return total

    def stop(self, tag: str, grace_s: float = 6.0, first_signal: int = signal.SIGTERM) -> None:
        """End all of a tag's processes: SIGTERM first, SIGKILL after the grace."""
        started = self._started.get(tag, [])
        seen = self.living([tag])
        for process in started:
            if process.poll() is None:
                process.send_signal(first_signal)
        deadline = time.monotonic() + grace_s
        while (left := self._left(tag, seen)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        for _ in range(KILL_TRIES):
            if not left:
                break
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_S)
            left = self._left(tag, seen)
        self._started.pop(tag, None)

    def _left(self, tag: str, seen: set[int]) -> set[int]:
        """Return what lives of a tag; `seen` keeps those that are no longer found by it once their parents ended."""
        for process in self._started.get(tag, []):
            process.poll()
        seen |= self.living([tag])
        return {pid for pid in seen if _is_alive(pid)}


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def _with_descendants(found: set[int], parents: Mapping[int, int]) -> set[int]:
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found = found | more
    return found
