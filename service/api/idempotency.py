"""`Idempotency-Key` on every POST: the same request, sent twice by one caller, is done once.

Keys are each caller's own, and known for `keep_idempotency_days`; a request that comes again later is done again.

Source:
    draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask

from cellgate.contract.identifiers import ULID
from service.api.context import Context
from service.api.recording import Recorded, RecordedChange
from service.domain.errors import IdempotencyMismatch, Mistake
from service.domain.principals import Principal
from service.store.database import now_s
from service.store.dispatch import due_for_dispatch
from service.store.keys import stored_key
from service.store.quotas import check_waiting
from service.store.tables import IdempotencyRow, table_of

# Kept: to build a statement takes longer than to execute it.
_KEYS = table_of(IdempotencyRow)
_TAKE = {
    name: dialect.insert(_KEYS).values(created_at=now_s()).on_conflict_do_nothing().returning(_KEYS.c.key)
    for name, dialect in (("postgresql", postgresql), ("sqlite", sqlite))
}
_STORE = update(_KEYS).where(_KEYS.c.key == bindparam("of_key"))
# Of a thing, in its URL.
ROW_ID = re.compile(rf"\b[a-z]{{2,3}}_{ULID}\b")


@dataclass(frozen=True, kw_only=True)
class Created:
    """What a POST made.

    Args:
        location: URL of the created or changed resource.
        answer: The response's body.
        detail: JSON values for the entry of the audit log, known only once it is done; no secrets.
    """

    location: str | None
    answer: BaseModel
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Post:
    """One POST: runs its work once per key, in one transaction with the record of its answer."""

    change: RecordedChange
    key: str | None
    request_hash: str

    @property
    def context(self) -> Context:
        """Context of the app."""
        return self.change.context

    @property
    def principal(self) -> Principal:
        """Who sent it."""
        return self.change.principal

    def answered(self) -> JSONResponse | None:
        """Return the stored response if this key was served before; its resource may be gone since.

        Raises:
            IdempotencyMismatch: The key came before with another request.
        """
        if self.key is None:
            return None
        with self.context.database.read() as session:
            known = session.scalars(select(IdempotencyRow).where(IdempotencyRow.key == self._stored_key)).one_or_none()
            return None if known is None else self._replay(known)

    def accept(
        self,
        work: Callable[[Session], Created],
        *,
        queues_runs: bool = False,
        about_made: bool = False,
        reason: str | None = None,
        changes: bool = True,
        **detail: Any,
    ) -> JSONResponse:
        """Return 202 with the result of `work`, or the stored response if this key was served before.

        Args:
            work: Runs in the transaction that stores the answer and the entry of the audit log.
            queues_runs: Refuse it where the caller then has more queued runs than its quota allows.
            about_made: Whether the entry is about what was made, though the path names something else.
            reason: Why, in the person's words, for the entry.
            changes: Whether it changes anything; else it has no entry.
            detail: JSON values for the entry; no secrets.

        Raises:
            QuotaExceeded: It has more.
            IdempotencyMismatch: The key came before with another request.
            ServiceError: What `work` raises; nothing is stored then.
        """
        with self.context.database.begin() as session:
            known = self._claim(session)
            if known is not None:
                return self._replay(known)
            created = work(session)
            if queues_runs:
                check_waiting(session, owner=self.principal.owner, limit=self.context.settings.max_queued_runs)
            body = created.answer.model_dump(mode="json")
            made = ROW_ID.search(created.location or "")
            if changes:
                told = {**detail, **created.detail}
                self.change.record(session, made=made and made[0], about_made=about_made, reason=reason, **told)
            self._store(session, created.location, body)
            due = due_for_dispatch(session)
        answer = _response(created.location, body)
        if due:
            # Once the answer has gone: who waits for it does not wait for the broker.
            answer.background = BackgroundTask(self.context.notifications.send, due)
        return answer

    def act(
        self,
        identifier: str,
        work: Callable[[Session, str], object],
        answer: Callable[[Session, Context, str], Created],
        *,
        queues_runs: bool = False,
    ) -> JSONResponse:
        """Return 202 with a resource after something was done with it: cancelled, paused, resumed or tried again.

        Args:
            identifier: Id of the resource.
            work: Does it; where a new resource takes its place, returns the id of that one.
            answer: Returns the resource as it is then.
            queues_runs: As for `accept`.
        """

        def done(session: Session) -> Created:
            successor = work(session, identifier)
            return answer(session, self.context, successor if isinstance(successor, str) else identifier)

        return self.accept(done, queues_runs=queues_runs)

    @property
    def _stored_key(self) -> str:
        return stored_key(self.principal.id, self.key or "")

    def _claim(self, session: Session) -> IdempotencyRow | None:
        """Take the key, or return its row. A second request with the same key waits here for the first to commit."""
        if self.key is None:
            return None
        values = {
            "key": self._stored_key,
            "owner_id": self.principal.id,
            "request_hash": self.request_hash,
            "status": 202,
            "location": None,
            "body": {},
        }
        if session.execute(_TAKE[self.context.database.dialect], values).scalar() is not None:
            return None
        return session.scalars(select(IdempotencyRow).where(IdempotencyRow.key == self._stored_key)).one()

    def _store(self, session: Session, location: str | None, body: dict[str, Any]) -> None:
        if self.key is not None:
            session.execute(_STORE, {"of_key": self._stored_key, "location": location, "body": body})

    def _replay(self, known: IdempotencyRow) -> JSONResponse:
        if known.request_hash != self.request_hash:
            detail = f"this Idempotency-Key was used for another request: {self.key}; use a new key for a new request"
            raise IdempotencyMismatch(detail, mistakes=[Mistake(pointer="#header/Idempotency-Key", detail=detail)])
        return _response(known.location, known.body)


def _response(location: str | None, body: dict[str, Any]) -> JSONResponse:
    return JSONResponse(body, status_code=202, headers={"Location": location} if location else None)


async def _post(
    request: Request,
    change: Recorded,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="A request that its caller sends again with the same key within a day (a setting) is done "
            "once, and gets the same answer.",
        ),
    ] = None,
) -> Post:
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body())
    return Post(
        change=change,
        key=idempotency_key,
        request_hash=f"sha256:{digest.hexdigest()}",
    )


Posted = Annotated[Post, Depends(_post)]
