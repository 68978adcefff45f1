"""What every supervisor of a worker shares."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import InterfaceError, OperationalError

from cellgate.contract.processes import module_command
from service.broker.notify import Notifier
from service.settings import Settings
from service.store.database import Database
from worker.devices import Devices
from worker.fork_server import ForkServer

TRAINER = tuple(module_command("trainers"))
# What the drivers raise while a database is away, busy or restarting; a later try may succeed.
UNREACHABLE = (OperationalError, InterfaceError)
DATABASE_RETRY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """What every supervisor of a worker shares.

    Args:
        draining: Set when the worker is shutting down.
        command: How a trainer is started cold, before the cell's name; tests put their own here.
        devices: What its runs compute on.
        fork_server: Starts trainers warm; null: all start cold.
    """

    database: Database
    notifier: Notifier
    settings: Settings
    worker_id: str
    draining: threading.Event
    command: Sequence[str] = TRAINER
    devices: Devices = field(default_factory=Devices)
    fork_server: ForkServer | None = None

    @property
    def slots(self) -> int:
        """How many runs it trains at the same time."""
        return self.devices.slots(self.settings.slots)
