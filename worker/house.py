"""What every supervisor of a worker shares, and the doorbell that they all ring."""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from service.dispatch import Bell
from service.settings import Settings
from service.store.database import Database
from service.store.lifecycle import due_for_dispatch

TRAINER = (sys.executable, "-m", "trainers")
# What the drivers raise while a database is away, busy or restarting; a later try may succeed.
UNREACHABLE = (OperationalError, InterfaceError)
log = structlog.get_logger(__name__)


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


def ring_for_waiting(house: House) -> None:
    """Ring for every queued run that has not been rung for lately."""
    try:
        with house.database.begin() as session:
            due = due_for_dispatch(session, redispatch_after_s=house.settings.redispatch_after_s)
    except UNREACHABLE as error:
        log.warning("database_not_reached", error=str(error.orig))
        return
    for run_id, queue in due:
        if not house.bell.ring(run_id, queue):
            # The broker is away: each further try would only wait for it. The reconciler rings later.
            return
