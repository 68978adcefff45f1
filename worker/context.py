"""The parts that all supervisors of one worker share."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from cellgate.contract.processes import module_command
from service.broker.notify import Notifier
from service.settings import Settings
from service.store.database import Database
from worker.devices import Devices
from worker.fork_server import ForkServerProcess

TRAINER = tuple(module_command("trainers"))
# Raised while a database is unreachable, busy or restarting, or has no connection to spare; a later try may succeed.
UNREACHABLE = (OperationalError, InterfaceError, TimeoutError)
DATABASE_RETRY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """The parts that all supervisors of one worker share.

    Args:
        draining: Set when the worker is shutting down.
        command: Starts a trainer cold; the cell's name and arguments follow. Tests put their own here.
        devices: The GPUs to lend to runs.
        fork_server: Starts trainers warm; None starts all of them cold.
    """

    database: Database
    notifier: Notifier
    settings: Settings
    worker_id: str
    draining: threading.Event
    command: Sequence[str] = TRAINER
    devices: Devices = field(default_factory=Devices)
    fork_server: ForkServerProcess | None = None

    @property
    def slots(self) -> int:
        """How many runs the worker trains at the same time."""
        return self.devices.slots(self.settings.slots)
