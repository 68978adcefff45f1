"""One request that changes something: its transaction, and the entry in the audit log that belongs to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from service.api.actors import actor_of, entry_of
from service.api.context import Context, Ctx
from service.domain.principals import Principal
from service.store.audit import Actor, Entry, is_recorded, record
from service.store.lookup import kind_of_id


class NotRecorded(RuntimeError):
    """A route would have changed something without an entry in the audit log."""


@dataclass(frozen=True, kw_only=True)
class RecordedChange:
    """One request that changes something.

    Args:
        context: Of the app.
        actor: Its sender.
        entry: What it does, as far as its path says it.
    """

    context: Context
    actor: Actor
    entry: Entry

    @property
    def principal(self) -> Principal:
        """Who sent it."""
        return self.actor.principal

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield the one transaction of the request, in which `record` must be called.

        Raises:
            NotRecorded: It was not; nothing is changed then.
        """
        with self.context.database.begin() as session:
            yield session
            if not is_recorded(session):
                raise NotRecorded(self.entry.action)

    def record(
        self,
        session: Session,
        *,
        made: str | None = None,
        about_made: bool = False,
        reason: str | None = None,
        **detail: Any,
    ) -> None:
        """Add the request's entry to the audit log.

        Args:
            session: The transaction of the change.
            made: Id of a thing that was made; where the path names nothing, the entry is about that.
            about_made: Whether the entry is about that, though the path names something else.
            reason: Why, in the person's words.
            detail: JSON values for people; no secrets.
        """
        entry = replace(self.entry, reason=reason)
        if made is not None and (about_made or entry.object_id is None):
            detail = {"of": entry.object_id, **detail} if about_made else detail
            entry = replace(entry, kind=kind_of_id(made), object_id=made)
        elif made is not None and made != entry.object_id:
            detail = {"made": made, **detail}
        record(session, self.actor, replace(entry, detail=detail))


async def _change(request: Request, context: Ctx) -> RecordedChange:
    return RecordedChange(context=context, actor=actor_of(request), entry=entry_of(request))


Recorded = Annotated[RecordedChange, Depends(_change)]
