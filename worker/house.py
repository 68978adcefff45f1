"""What every supervisor of a worker shares."""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import InterfaceError, OperationalError

from service.dispatch import Bell
from service.settings import Settings
from service.store.database import Database

TRAINER = (sys.executable, "-m", "trainers")
# What the drivers raise while a database is away, busy or restarting; a later try may succeed.
UNREACHABLE = (OperationalError, InterfaceError)
DATABASE_RETRY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class House:
    """What every supervisor of a worker shares.

    Args:
        command: How a trainer is started, before the cell's name; tests put their own here.
        draining: Set when the worker is shutting down.
    """

    database: Database
    bell: Bell
    settings: Settings
    worker_id: str
    draining: threading.Event
    command: Sequence[str] = TRAINER
