"""Celery's consumer on a thread of its own: it may end for any reason and is started again; no run depends on it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from celery.worker import state
from structlog.contextvars import bound_contextvars

from service.broker.connections import celery_app
from service.broker.notify import TASK, TASK_OF_RELEASE_0_1, is_of_broker, problem_of
from service.supervision import Supervision
from worker.context import WorkerContext

FIRST_BACKOFF_S = 0.5
SLOWEST_BACKOFF_S = 8.0
STEADY_AFTER_S = 30.0
CONNECT_S = 3.0
JOIN_S = 0.5
log = structlog.get_logger(__name__)


class NotificationConsumer:
    """Calls back for every notification of the worker's queues.

    Celery's worker runs without its command line, event loop and signal handlers, one message at a time on the
    consumer's thread: a callback that waits keeps it from taking the next one.

    Args:
        context: Of the worker.
        redis_url: Of the broker.
        on_notification: Called for every message, whatever it says.
        supervision: Is told of ends that the broker did not cause.
    """

    def __init__(
        self, context: WorkerContext, redis_url: str, on_notification: Callable[[], None], supervision: Supervision
    ) -> None:
        self._context = context
        self._supervision = supervision
        self._on_notification = on_notification
        self._app = celery_app(redis_url)
        for name in (TASK, TASK_OF_RELEASE_0_1):
            self._app.task(name=name, shared=False)(self._on_message)
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether it listens to the broker, as far as it knows."""
        return self._connected.is_set()

    def start(self) -> None:
        """Start to listen; it ends at `join`, or at a failure once the worker drains."""
        self._thread.start()

    def wait_until_connected(self) -> None:
        """Wait a moment for the first connection."""
        self._connected.wait(CONNECT_S)

    def join(self) -> None:
        """Wait a moment for its end, so that it gives back what it has taken."""
        _tell_celery_to_stop(0)
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        # Tasks are looked up in the current app of their thread.
        self._app.set_current()
        # It announces a shutdown at the end of each connection; this thread says what happens.
        logging.getLogger("celery.worker.consumer.consumer").setLevel(logging.CRITICAL + 1)
        with bound_contextvars(worker=self._context.worker_id):
            while not self._context.draining.is_set():
                begun = time.monotonic()
                why = self._consume()
                self._connected.clear()
                if self._context.draining.is_set():
                    return
                if time.monotonic() - begun > STEADY_AFTER_S:
                    backoff_s = FIRST_BACKOFF_S
                log.warning("consumer_ended", error=why, again_in_s=backoff_s)
                self._context.draining.wait(backoff_s)
                backoff_s = min(2 * backoff_s, SLOWEST_BACKOFF_S)

    def _consume(self) -> str:
        """Consume until the consumer ends; return why it did."""
        try:
            worker = self._worker()
            try:
                # Not its start(), which logs each end as unrecoverable.
                worker.blueprint.start(worker)
                return "it ended without an error"
            finally:
                # Does nothing where it has stopped.
                worker.stop()
        # Celery leaves by SystemExit where a connection is lost; the cause is chained to it.
        except SystemExit as end:
            return problem_of(end.__cause__) if isinstance(end.__cause__, Exception) else "it was stopped"
        # A library's thread, fed by whoever can write to the broker: nothing that it raises may end the worker.
        except Exception as error:  # noqa: BLE001
            if not is_of_broker(error):
                self._supervision.report("consumer", error)
            return problem_of(error)

    def _worker(self) -> Any:
        _tell_celery_to_stop(None)
        return _work_controller(
            self._app,
            ready_callback=lambda _consumer: self._connected.set(),
            queues=list(self._context.settings.queues),
            hostname=f"{self._context.worker_id.replace(':', '-')}@cellgate",
        )

    # The message's content is not trusted: the worker claims the next run in SQL.
    def _on_message(self, *_: Any, **message: Any) -> None:
        log.debug("notification", run=message.get("run_id"))
        self._on_notification()


def _work_controller(app: Celery, **options: Any) -> Any:
    """Return Celery's worker as a library: no processes, no gossip, no event loop that other threads would share."""
    controller: Any = app.WorkController
    return controller(
        pool_cls="solo",
        concurrency=1,
        use_eventloop=False,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        **options,
    )


def _tell_celery_to_stop(exit_code: int | None) -> None:
    """Have Celery's worker stop, or let the next one run: there is one flag for the whole process."""
    flags: Any = state
    flags.should_stop = exit_code
