"""A worker's heartbeat: it tells SQL that the worker lives, and looks for runs that no notification told of."""

import threading
import time
from importlib.metadata import version

import structlog
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from service.store.workers import record_heartbeat, register_new_worker, register_worker
from service.supervision import Supervision
from worker.context import UNREACHABLE, WorkerContext
from worker.slots import Slots

log = structlog.get_logger(__name__)


def register_new(session: Session, context: WorkerContext) -> str:
    """Store that a worker has started, with its queues, slots and release; return the id that it gets."""
    queues, slots = context.settings.queues, context.slots
    return register_new_worker(
        session, wanted=context.worker_id, queues=queues, slots=slots, version=version("cellgate")
    )


def _register_again(session: Session, context: WorkerContext) -> None:
    queues, slots = context.settings.queues, context.slots
    register_worker(session, worker_id=context.worker_id, queues=queues, slots=slots, version=version("cellgate"))


class Heartbeat:
    """Beats every `heartbeat_s` on a thread of its own until the worker drains; the first time at once.

    Args:
        context: Of the worker.
        slots: Filled at every beat: without a broker a run waits one heartbeat at most.
        supervision: Is told of beats that failed.
    """

    def __init__(self, context: WorkerContext, slots: Slots, supervision: Supervision) -> None:
        self._context = context
        self._supervision = supervision
        self._slots = slots
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        # Whether the worker hears notifications; true until it is known, or each start would look broken.
        self.listening = True
        # By `time.monotonic()`: when SQL last took a beat.
        self.written_at = time.monotonic()

    def start(self) -> None:
        """Start to beat."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the last beat, one heartbeat at most."""
        self._thread.join(self._context.settings.heartbeat_s)

    def _run(self) -> None:
        with bound_contextvars(worker=self._context.worker_id):
            while True:
                self._beat()
                if self._context.draining.wait(self._context.settings.heartbeat_s):
                    return

    def _beat(self) -> None:
        try:
            self._write()
            self._slots.fill()
        except UNREACHABLE as error:
            log.warning("heartbeat_not_written", error=str(error))
        # The thread must outlive whatever a beat meets: without it the worker would count as lost.
        except Exception as error:  # noqa: BLE001 - reported
            self._supervision.report("heartbeat", error)

    def _write(self) -> None:
        context, listening = self._context, self.listening
        with context.database.begin() as session:
            if not record_heartbeat(session, worker_id=context.worker_id, listening=listening):
                _register_again(session, context)
        self.written_at = time.monotonic()
