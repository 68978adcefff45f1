"""The outbox as a sender sees it: claim what is due, a few per webhook, and store how each try ended.

A webhook that fails `OPEN_AFTER` times in a row has an open circuit: its deliveries wait, and one at a time probes it.

Source:
    Nygard, Release It!, 2nd edition 2018, chapter 5: circuit breaker, bulkheads.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import uniform

from sqlalchemy import ColumnElement, Select, and_, case, func, null, or_, select, update
from sqlalchemy.orm import Session

from cellgate.contract.api.webhooks import DeliveryState
from service.domain.delivery_order import Candidate, Standing, origin_of
from service.domain.webhooks import OPEN_AFTER, PROBE_PAUSES_S, WAITS_S, next_wait_s, probe_pause_s
from service.store.database import Reader, now_s
from service.store.tables import DeliveryRow, WebhookRow

# A claim lapses after this time: its sender has probably died.
CLAIM_S = 60.0
GONE = 410
JITTER = 0.2
PER_WEBHOOK = 4


@dataclass(frozen=True, kw_only=True)
class Due:
    """A claimed delivery.

    Args:
        tries: Number of this try, from 1: the fencing number of its outcome.
        failing: Whether the webhook's last try failed.
    """

    delivery_id: str
    webhook_id: str
    url: str
    secret: str
    body: str
    tries: int
    failing: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a try ended.

    Args:
        status: HTTP status of the response; None without a response.
        error: Why the delivery failed; None if it arrived.
    """

    due: Due
    status: int | None
    error: str | None


def is_anything_due(reader: Reader) -> bool:
    """Return whether a delivery waits whose time has come; whether there is room for it is another question."""
    return bool(reader.scalar(_any_due()))


def due_deliveries(
    session: Session, *, limit: int, in_flight: Mapping[str, int] | None = None, first: Collection[str] = ()
) -> list[Candidate]:
    """Return deliveries that are due, at most `PER_WEBHOOK` per webhook, oldest first in a standing; change nothing.

    Args:
        session: An open transaction.
        limit: Deliveries at most.
        in_flight: How many the caller is sending already, by webhook.
        first: Webhooks whose last delivery by the caller arrived.
    """
    full = [webhook for webhook, number in (in_flight or {}).items() if number >= PER_WEBHOOK]
    place = func.row_number().over(partition_by=DeliveryRow.webhook_id, order_by=(DeliveryRow.next_at, DeliveryRow.id))
    ranked = (
        select(
            *(DeliveryRow.id, DeliveryRow.webhook_id, DeliveryRow.next_at, WebhookRow.failures, WebhookRow.url),
            *(place.label("place"), _room().label("room")),
        )
        .join(WebhookRow, DeliveryRow.webhook_id == WebhookRow.id)
        .where(_is_due(), WebhookRow.active, _may_be_tried(), WebhookRow.id.not_in(full))
        .subquery()
    )
    unproven = case((ranked.c.failures == 0, Standing.NEW.value), else_=Standing.FAILING.value)
    standing = case((ranked.c.webhook_id.in_(first), Standing.PROVEN.value), else_=unproven).label("standing")
    chosen = select(ranked.c.id, ranked.c.webhook_id, ranked.c.place, ranked.c.url, standing)
    chosen = chosen.where(ranked.c.place <= ranked.c.room).order_by(standing, ranked.c.place, ranked.c.next_at)
    taken = in_flight or {}
    return [
        Candidate(
            delivery_id=row.id, webhook_id=row.webhook_id, origin=origin_of(row.url), standing=Standing(row.standing)
        )
        for row in session.execute(chosen.limit(limit))
        if row.place + taken.get(row.webhook_id, 0) <= PER_WEBHOOK
    ]


def claim_due(session: Session, delivery_ids: Sequence[str]) -> list[Due]:
    """Claim those of the deliveries that are still due; no other sender gets them for `CLAIM_S`.

    Of a webhook whose circuit is open, only one sender gets one delivery per probe.
    """
    chosen = (
        select(DeliveryRow, WebhookRow)
        .join(WebhookRow, DeliveryRow.webhook_id == WebhookRow.id)
        .where(DeliveryRow.id.in_(delivery_ids), _is_due(), WebhookRow.active, _may_be_tried())
        .order_by(DeliveryRow.next_at)
        .with_for_update(of=DeliveryRow, skip_locked=True)
    )
    rows = [(delivery, webhook) for delivery, webhook in session.execute(chosen)]
    due = [_due(delivery, webhook) for delivery, webhook in rows if _is_closed(webhook) or _probe(session, webhook)]
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_([one.delivery_id for one in due]))
        .values(tries=DeliveryRow.tries + 1, next_at=now_s() + CLAIM_S)
        .execution_options(synchronize_session=False)
    )
    return due


def record_tries(session: Session, outcomes: Sequence[Outcome], *, in_flight: Collection[str] = ()) -> None:
    """Store the outcomes of tries; one whose delivery another sender has claimed since changes nothing.

    A webhook that answers 410 (Gone) is deactivated. When one arrives at a webhook whose circuit was open, the circuit
    closes, and what waited is due at once.

    Args:
        session: An open transaction.
        outcomes: Of tries of this sender.
        in_flight: Deliveries that it is still sending.
    """
    # In the order of the webhooks: two senders never wait for each other.
    for outcome in sorted(outcomes, key=lambda one: (one.due.webhook_id, one.due.delivery_id)):
        webhook_id = outcome.due.webhook_id
        failures = _lock_failures(session, webhook_id)
        if not _record(session, outcome):
            continue
        if outcome.error is not None:
            _count_failure(session, webhook_id, failures + 1, gone=outcome.status == GONE)
        elif failures:
            _close_circuit(session, webhook_id, failures, in_flight)


def _record(session: Session, outcome: Outcome) -> bool:
    due, error = outcome.due, outcome.error
    status = null() if outcome.status is None else outcome.status
    if error is None:
        return _set(
            session, due, state=DeliveryState.DELIVERED.value, next_at=null(), last_status=status, last_error=null()
        )
    wait_s = None if outcome.status == GONE else next_wait_s(due.tries)
    if wait_s is None:
        return _set(
            session, due, state=DeliveryState.FAILED.value, next_at=null(), last_status=status, last_error=error
        )
    # Jitter: deliveries that failed together are not all tried again together.
    later = now_s() + wait_s * uniform(1 - JITTER, 1 + JITTER)
    return _set(session, due, next_at=later, last_status=status, last_error=error)


def _lock_failures(session: Session, webhook_id: str) -> int:
    """Return how often the webhook has failed in a row; no other sender changes it before the transaction ends."""
    chosen = select(WebhookRow.failures).where(WebhookRow.id == webhook_id)
    return session.scalar(chosen.with_for_update(key_share=True)) or 0


def _close_circuit(session: Session, webhook_id: str, failures: int, in_flight: Collection[str]) -> None:
    _set_webhook(session, webhook_id, failures=0, probe_at=null())
    if failures >= OPEN_AFTER:
        waiting = (DeliveryRow.webhook_id == webhook_id) & (DeliveryRow.state == DeliveryState.PENDING)
        chosen = select(DeliveryRow.id).where(waiting, DeliveryRow.id.not_in(in_flight))
        # Who holds one is about to send it, or waits for this webhook: to wait for it would be a deadlock.
        free = chosen.with_for_update(skip_locked=True)
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(free))
            .values(next_at=now_s())
            .execution_options(synchronize_session=False)
        )


def _count_failure(session: Session, webhook_id: str, failures: int, *, gone: bool) -> None:
    pause_s = probe_pause_s(failures)
    values: dict[str, object] = {"failures": failures, "probe_at": null() if pause_s is None else now_s() + pause_s}
    _set_webhook(session, webhook_id, **values, **({"active": False} if gone else {}))


@cache
def _any_due() -> Select[bool]:
    # Kept: to build it takes longer than to execute it.
    return select(select(DeliveryRow.id).where(_is_due()).exists())


def _is_due() -> ColumnElement[bool]:
    """Return the condition that a delivery waits and its time has come.

    A time further off than this try's longest wait was written before a clock was set back.
    """
    waits = {tries: max(CLAIM_S, wait_s * (1 + JITTER)) for tries, wait_s in enumerate(WAITS_S, start=1)}
    longest = case(waits, value=DeliveryRow.tries, else_=CLAIM_S) + 1.0
    return and_(
        DeliveryRow.state == DeliveryState.PENDING,
        or_(DeliveryRow.next_at <= now_s(), DeliveryRow.next_at > now_s() + longest),
    )


def _may_be_tried() -> ColumnElement[bool]:
    longest = max(PROBE_PAUSES_S) + 1.0
    return or_(WebhookRow.probe_at.is_(None), WebhookRow.probe_at <= now_s(), WebhookRow.probe_at > now_s() + longest)


def _room() -> ColumnElement[int]:
    return case((WebhookRow.failures >= OPEN_AFTER, 1), else_=PER_WEBHOOK)


def _is_closed(webhook: WebhookRow) -> bool:
    return probe_pause_s(webhook.failures) is None


def _probe(session: Session, webhook: WebhookRow) -> bool:
    """Return whether this sender may probe the webhook now: no other may before the next pause has passed."""
    pause_s = probe_pause_s(webhook.failures) or 0.0
    won = session.execute(
        update(WebhookRow)
        .where(WebhookRow.id == webhook.id, WebhookRow.probe_at == webhook.probe_at)
        .values(probe_at=now_s() + max(CLAIM_S, pause_s))
        .returning(WebhookRow.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    return won is not None


def _due(delivery: DeliveryRow, webhook: WebhookRow) -> Due:
    return Due(
        delivery_id=delivery.id,
        webhook_id=webhook.id,
        url=webhook.url,
        secret=webhook.secret,
        body=delivery.body,
        tries=delivery.tries + 1,
        failing=webhook.failures > 0,
    )


def _set(session: Session, due: Due, **values: object) -> bool:
    changed = session.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.id == due.delivery_id,
            DeliveryRow.tries == due.tries,
            DeliveryRow.state == DeliveryState.PENDING,
        )
        .values(**values)
        .returning(DeliveryRow.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    return changed is not None


def _set_webhook(session: Session, webhook_id: str, **values: object) -> None:
    session.execute(
        update(WebhookRow)
        .where(WebhookRow.id == webhook_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
