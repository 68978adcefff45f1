"""A small file per process that tells `python -m worker health` on the same host how the process is."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from cellgate.contract.files import write_json

Role = Literal["worker", "reconciler"]
log = structlog.get_logger(__name__)


class PulseRecord(BaseModel):
    """How a process was when it last wrote its file.

    Times are of CLOCK_MONOTONIC, which all processes of a host share: a host's wall clock may jump.

    Args:
        every_s: How often it writes.
        at: When it wrote.
        database_at: When it last wrote to the database.
        fork_server: Whether its fork server lives; None if it has none.
        broker: What is wrong with the broker; None if nothing is.
    """

    model_config = ConfigDict(frozen=True)

    role: Role
    id: str
    pid: int
    every_s: float
    at: float
    database_at: float
    fork_server: bool | None = None
    broker: str | None = None


class Pulse:
    """Writes the file of this process; the files of processes that were killed are removed first.

    Args:
        data_dir: Of the deployment; hosts that share it have a folder each.
        role: Of this process.
        process_id: Its name in the log.
        every_s: How often `write` is called.
    """

    def __init__(self, data_dir: Path, *, role: Role, process_id: str, every_s: float) -> None:
        self._role = role
        self._id = process_id
        self._every_s = every_s
        self._path = pulse_folder(data_dir) / f"{role}-{os.getpid()}.json"
        for path, _record in read_pulses(data_dir, role=role, living=False):
            path.unlink(missing_ok=True)

    def write(self, *, database_at: float, fork_server: bool | None = None, broker: str | None = None) -> None:
        """Write how this process is now; a folder that cannot be written to is logged."""
        record = PulseRecord(
            role=self._role,
            id=self._id,
            pid=os.getpid(),
            every_s=self._every_s,
            at=time.monotonic(),
            database_at=database_at,
            fork_server=fork_server,
            broker=broker,
        )
        try:
            write_json(self._path, record.model_dump(mode="json"))
        except OSError as error:
            log.warning("pulse_not_written", path=str(self._path), error=str(error))

    def remove(self) -> None:
        """Remove the file: this process ends."""
        self._path.unlink(missing_ok=True)


def pulse_folder(data_dir: Path) -> Path:
    """Return the folder of this host's files."""
    return data_dir.resolve() / "processes" / socket.gethostname()


def read_pulses(data_dir: Path, *, role: Role, living: bool) -> Iterator[tuple[Path, PulseRecord]]:
    """Yield the file and record of each of this host's processes of a role that still live, or that do not."""
    for path in sorted(pulse_folder(data_dir).glob(f"{role}-*.json")):
        try:
            record = PulseRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            # It has just ended, or a disk is broken: then it is not there to be asked.
            continue
        # A stamp of the future is of the time before a restart of the host.
        alive = _exists(record.pid) and record.at <= time.monotonic()
        if alive is living:
            yield path, record


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
