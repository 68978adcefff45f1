"""The slots of a worker: each runs one attempt at a time, whoever found the run."""

import threading
from collections.abc import Callable

import structlog
from structlog.contextvars import bound_contextvars

from service.store.claims import Claim
from worker.claim_loop import claim_run, forward_notification, has_work, work_off_queue
from worker.context import WorkerContext

# How often a waiting thread looks whether the worker shuts down: a signal handler may set events, but take no lock.
LOOK_EVERY_S = 0.5
log = structlog.get_logger(__name__)


class Slots:
    """Claims runs into free slots, after a notification or a look at the queue.

    A slot is taken before its run is claimed: however many threads claim, no more runs are at work than there are
    slots.

    Args:
        context: Of the worker.
    """

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._free = context.slots
        self._changed = threading.Condition()

    def fill(self) -> int:
        """Claim queued runs until no slot is free or none is left; return how many were claimed."""
        count = 0
        while self._has_room() and has_work(self._context) and self._claim_one():
            count += 1
        return count

    def on_notification(self) -> None:
        """Claim one run; return when there is room for another, or the worker shuts down.

        One notification, one run: the notifications of a burst are shared among workers. A consumer that waits here
        takes no message that a worker with room could follow.
        """
        if not self._claim_one():
            forward_notification(self._context, full=not self._has_room())
        self._wait(lambda: self._has_room() or self._context.draining.is_set())

    def join(self) -> None:
        """Wait until every slot is free: after the worker was told to shut down."""
        self._wait(lambda: self._free == self._context.slots)

    def _has_room(self) -> bool:
        return self._free > 0

    def _claim_one(self) -> bool:
        with self._changed:
            if self._free == 0:
                return False
            self._free -= 1
        claim = None
        try:
            claim = claim_run(self._context)
        finally:
            if claim is None:
                self._release()
        if claim is not None:
            self._start(claim)
        return claim is not None

    def _start(self, claim: Claim) -> None:
        try:
            threading.Thread(target=self._work, args=(claim,), name="slot", daemon=True).start()
        except RuntimeError:
            # The system has no thread left. The claim's lease lapses.
            self._release()
            raise

    def _work(self, claim: Claim) -> None:
        with bound_contextvars(worker=self._context.worker_id):
            try:
                work_off_queue(self._context, claim)
            # A bug must not cost the worker a slot for the rest of its life.
            except Exception:
                log.exception("slot_failed")
            finally:
                self._release()

    def _release(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def _wait(self, true: Callable[[], bool]) -> None:
        with self._changed:
            while not true():
                self._changed.wait(LOOK_EVERY_S)
