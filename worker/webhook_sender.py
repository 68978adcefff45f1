"""Send the outbox's deliveries to webhooks: at least once, each webhook on its own.

All tries run in one thread. No webhook has more than a few at a time, and no receiver more than its places, so one that
hangs or fails delays no other.
"""

import asyncio
import threading
from collections import Counter

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.domain.delivery_order import Candidate, Places, Standing, choose, origin_of
from service.settings import Settings
from service.store.database import Database
from service.store.deliveries import Due, Outcome, claim_due, due_deliveries, is_anything_due, record_tries
from worker.context import UNREACHABLE
from worker.webhook_request import try_delivery

LOOK_EVERY_S = 0.5
# Tries that end together are stored together.
GATHER_S = 0.02
# Of what is due, so many are put in order; the rest, the youngest, waits for a later round.
MOST_CANDIDATES = 4096
STOP_S = 2.0
# Tries that one round starts, and outcomes that it stores: it takes a tenth of a second or so.
PER_ROUND = 32
DEFAULT_PLACES = Places()
log = structlog.get_logger(__name__)


class WebhookSender:
    """Sends deliveries that are due; several senders at once deliver each one once while none of them fails.

    Args:
        database: Where the outbox is.
        settings: Of the deployment.
        look_every_s: Seconds between two looks at the outbox.
        places: How many tries there may be at the same time.
    """

    def __init__(
        self,
        *,
        database: Database,
        settings: Settings,
        look_every_s: float = LOOK_EVERY_S,
        places: Places = DEFAULT_PLACES,
    ) -> None:
        self._database = database
        self._allow_private = settings.webhook_allow_private
        self._look_every_s = look_every_s
        self._places = places
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._tries: dict[asyncio.Task[Outcome], Due] = {}
        self._unrecorded: list[Outcome] = []
        self._proven: set[str] = set()
        self._started = 0

    def run(self, stop: threading.Event) -> None:
        """Send due deliveries every `look_every_s` until `stop` is set."""
        asyncio.run(self._run(stop))

    def deliver_due(self) -> int:
        """Send everything that is due now, once, and return how many that was."""
        return asyncio.run(self._deliver_due())

    async def _run(self, stop: threading.Event) -> None:
        self._tries = {}
        while not stop.is_set():
            try:
                await self._round()
            except UNREACHABLE as error:
                log.warning("webhook_sender_waits_for_the_database", error=str(error))
                await asyncio.sleep(self._look_every_s)
            else:
                await self._wait()
        await self._end()

    async def _deliver_due(self) -> int:
        count = 0
        while (new := await self._round()) or self._unrecorded:
            count += new
            if self._tries:
                await asyncio.wait(self._tries)
        return count

    async def _round(self) -> int:
        """Store the outcomes of what has ended, start what is due, and return how many were started."""
        self._collect()
        due = await asyncio.to_thread(self._exchange)
        for one in due:
            attempt = try_delivery(one, allow_private=self._allow_private, tls=self._tls)
            self._tries[asyncio.create_task(attempt)] = one
        self._started = len(due)
        return self._started

    async def _wait(self) -> None:
        if self._unrecorded or self._started == PER_ROUND:
            # More is to be done at once, but not before what was started has had its turn.
            await asyncio.sleep(0)
            return
        if not self._tries:
            await asyncio.sleep(self._look_every_s)
            return
        ended, _ = await asyncio.wait(self._tries, timeout=self._look_every_s, return_when=asyncio.FIRST_COMPLETED)
        if ended:
            await asyncio.sleep(min(GATHER_S, self._look_every_s))

    def _collect(self) -> None:
        for task in [task for task in self._tries if task.done()]:
            due, outcome = self._tries.pop(task), task.result()
            level = log.info if outcome.error is None else log.warning
            level(
                "webhook_sent", delivery=due.delivery_id, webhook=due.webhook_id, tries=due.tries, error=outcome.error
            )
            if outcome.error is None:
                self._proven.add(due.webhook_id)
            else:
                self._proven.discard(due.webhook_id)
            self._unrecorded.append(outcome)

    def _exchange(self) -> list[Due]:
        """Store outcomes and claim what there is room for, in one transaction; in none if there is nothing to do."""
        if not (self._unrecorded or self._is_anything_due()):
            return []
        try:
            with self._database.begin() as session:
                in_flight = [due.delivery_id for due in self._tries.values()]
                in_flight += [outcome.due.delivery_id for outcome in self._unrecorded[PER_ROUND:]]
                record_tries(session, self._unrecorded[:PER_ROUND], in_flight=in_flight)
                due = claim_due(session, self._choose(session))
        except UNREACHABLE:
            raise
        except SQLAlchemyError:
            # What the database refuses it refuses again: those deliveries are tried again when their claims lapse.
            self._unrecorded = self._unrecorded[PER_ROUND:]
            raise
        self._unrecorded = self._unrecorded[PER_ROUND:]
        return due

    def _is_anything_due(self) -> bool:
        with self._database.read_rows() as connection:
            if not is_anything_due(connection):
                return False
        with self._database.read() as session:
            return bool(self._choose(session))

    def _choose(self, session: Session) -> list[str]:
        in_flight = [self._candidate(due) for due in self._tries.values()]
        by_webhook = Counter(one.webhook_id for one in in_flight)
        found = due_deliveries(session, limit=MOST_CANDIDATES, in_flight=by_webhook, first=self._proven)
        return choose(found, in_flight, places=self._places, limit=PER_ROUND)

    def _candidate(self, due: Due) -> Candidate:
        unproven = Standing.FAILING if due.failing else Standing.NEW
        standing = Standing.PROVEN if due.webhook_id in self._proven else unproven
        return Candidate(
            delivery_id=due.delivery_id, webhook_id=due.webhook_id, origin=origin_of(due.url), standing=standing
        )

    async def _end(self) -> None:
        """Give what is being sent a moment, store what has ended, and leave the rest to the next sender."""
        if self._tries:
            await asyncio.wait(self._tries, timeout=STOP_S)
        self._collect()
        for task in self._tries:
            task.cancel()
        try:
            await asyncio.to_thread(self._record_last)
        except SQLAlchemyError as error:
            log.warning("outcomes_not_stored", error=str(error))

    def _record_last(self) -> None:
        with self._database.begin() as session:
            record_tries(session, self._unrecorded)
