"""PATCH and DELETE of what people keep: one merge patch and one deletion for every kind of thing.

Source:
    RFC 7396 (JSON merge patch); RFC 9110, section 13.1.1 (If-Match). Entity tags here are weak, since an answer also
    shows why runs wait; `If-Match` compares the id and the version in the tag, which name the row's state exactly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Response
from sqlalchemy.orm import Session

from cellgate.contract.api.resources import DeletionAnswer, MetadataChange, ResourceKind, ResourceName
from cellgate.contract.api.tokens import Scope
from service.api.context import Context
from service.api.polling import version_in
from service.api.recording import Recorded, RecordedChange
from service.api.responses import documented
from service.domain.errors import PreconditionFailed
from service.domain.principals import Principal
from service.domain.rights import check_may_change
from service.store.artifact_store import LocalStore
from service.store.deletion import Deletion, audited, counts_of, delete_things, names_of, plan_deletion
from service.store.dependents import ended_scorings
from service.store.metadata import DescribedRow, change_metadata
from service.store.principals import foreign_of, kind_of

A = TypeVar("A")
CHANGING: Mapping[str, Any] = {
    "responses": documented(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    )
}
DELETING: Mapping[str, Any] = {
    "responses": documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
}
ANY = "*"
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=2000,
        description="ETag of the version that the caller has seen; 412 if there is a newer one. `*`: any.",
    ),
]
Cascade = Annotated[bool, Query(description="Delete what depends on it as well.")]
DryRun = Annotated[bool, Query(description="Answer what would be deleted, and delete nothing.")]


def etag_of(row_id: str, *versions: int) -> str:
    """Return the entity tag of a row's version."""
    return f'W/"{"-".join(map(str, (row_id, *versions)))}"'


def _seen_version(row_id: str, if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == ANY:
        return None
    versions = [version_in(tag.strip(), row_id) for tag in if_match.split(",")]
    seen = max((version for version in versions if version is not None), default=None)
    if seen is None:
        raise PreconditionFailed(f"If-Match names no version of {row_id}: found {if_match!r}, expected its ETag")
    return seen


@dataclass(frozen=True, kw_only=True)
class Changer:
    """A PATCH of one thing."""

    recorded: RecordedChange
    response: Response
    if_match: str | None

    @property
    def context(self) -> Context:
        """Context of the app."""
        return self.recorded.context

    def change(self, table: type[DescribedRow], row_id: str, wanted: MetadataChange, read: Callable[[Session], A]) -> A:
        """Apply a merge patch and return what `read` finds afterwards, in the same transaction.

        Args:
            table: Of the thing.
            row_id: Its id.
            wanted: The patch; only fields that were sent count.
            read: Returns the answer.
        """
        seen = _seen_version(row_id, self.if_match)
        changes = wanted.model_dump(include=wanted.model_fields_set)
        with self.recorded.transaction() as session:
            version = change_metadata(session, table, row_id, changes, version=seen)
            self.recorded.record(session, fields=sorted(changes))
            found = read(session)
        self.response.headers["ETag"] = etag_of(row_id, version)
        return found


@dataclass(frozen=True, kw_only=True)
class Deleter:
    """A DELETE of one thing."""

    recorded: RecordedChange
    if_match: str | None
    cascade: bool
    dry_run: bool

    @property
    def context(self) -> Context:
        """Context of the app."""
        return self.recorded.context

    @property
    def principal(self) -> Principal:
        """Who sent it."""
        return self.recorded.principal

    def delete(self, kind: ResourceKind, row_id: str) -> DeletionAnswer:
        """Delete a thing with all that belongs to it, or answer what would be deleted."""
        data_dir = self.context.settings.data_dir
        seen = _seen_version(row_id, self.if_match)
        database = self.context.database
        with database.read() if self.dry_run else self.recorded.transaction() as session:
            planned = plan_deletion(session, kind, row_id, cascade=self.cascade, data_dir=data_dir, version=seen)
            things = [
                ResourceName(kind=found, id=found_id, name=name)
                for found, found_id, name in names_of(session, planned.scope)
            ]
            self._check_owners(session, planned)
            if not self.dry_run:
                delete_things(session, planned)
                self.recorded.record(session, cascade=self.cascade, **audited(planned.scope))
        store = LocalStore(data_dir)
        return DeletionAnswer(
            dry_run=self.dry_run,
            counts=counts_of(planned.scope),
            things=things,
            size_bytes=sum(store.size(key) for key in planned.keys) if self.dry_run else None,
        )

    def _check_owners(self, session: Session, planned: Deletion) -> None:
        """Refuse a deletion that would take something of somebody else along, unless an admin asks for it."""
        ids = {row_id for of_kind in planned.scope.values() for row_id in of_kind}
        # What somebody has asked a bundle does not keep a data set from its owner.
        ids -= ended_scorings(session, planned.scope)
        if self.principal.scope is not Scope.ADMIN:
            foreign = foreign_of(session, ids, self.principal.id)
            if foreign is not None:
                row_id, owner_id = foreign
                check_may_change(self.principal, owner_id, f"{kind_of(row_id)} {row_id}")


async def _changer(recorded: Recorded, response: Response, if_match: IfMatch = None) -> Changer:
    return Changer(recorded=recorded, response=response, if_match=if_match)


async def _deleter(
    recorded: Recorded, if_match: IfMatch = None, cascade: Cascade = False, dry_run: DryRun = False
) -> Deleter:
    return Deleter(recorded=recorded, if_match=if_match, cascade=cascade, dry_run=dry_run)


Changing = Annotated[Changer, Depends(_changer)]
Deleting = Annotated[Deleter, Depends(_deleter)]
