"""Principals: make them, and find whom a row belongs to."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Select, func, insert, or_, select
from sqlalchemy.orm import Session

from service.domain.errors import NotFound
from service.store.database import now_s
from service.store.lookup import NAMES, get_row, new_id
from service.store.tables import (
    BundleRow,
    DatasetRow,
    ExperimentRow,
    JobRow,
    PrincipalRow,
    RunRow,
    UploadRow,
    WebhookRow,
)

# Databases limit the parameters of one statement.
AT_ONCE = 500


def create_principal(session: Session, name: str) -> PrincipalRow:
    """Make a principal; another one of this name has nothing to do with it."""
    values = {"id": new_id("pri"), "name": name, "created_at": now_s()}
    return session.scalars(insert(PrincipalRow).values(values).returning(PrincipalRow)).one()


def get_principal(session: Session, principal_id: str) -> PrincipalRow:
    """Return a principal.

    Raises:
        NotFound: There is no such principal.
    """
    return get_row(session, PrincipalRow, principal_id)


def owner_id_of(session: Session, row_id: str) -> str | None:
    """Return the principal that a data set, experiment, job, run, bundle or webhook belongs to; None: nobody.

    Args:
        session: An open transaction.
        row_id: Its id, whose prefix names the kind.

    Raises:
        NotFound: There is no such row.
    """
    chosen = _OWNERS.get(row_id.partition("_")[0])
    if chosen is None:
        # Rights are checked before the form of an id is.
        raise NotFound(f"there is no {row_id}")
    found = session.execute(chosen.where(chosen.selected_columns[1] == row_id)).one_or_none()
    if found is None:
        raise NotFound(f"there is no {kind_of(row_id)} {row_id}")
    owner_id: str | None = found[0]
    return owner_id


def foreign_of(session: Session, row_ids: Collection[str], principal_id: str) -> tuple[str, str | None] | None:
    """Return the first of these things that does not belong to a principal, with its owner; None: all do.

    Args:
        session: An open transaction.
        row_ids: Of any kinds that `owner_id_of` knows.
        principal_id: The principal.
    """
    for prefix, chosen in _OWNERS.items():
        owner_id, row_id = chosen.selected_columns
        ids = sorted(found for found in row_ids if found.startswith(f"{prefix}_"))
        for at in range(0, len(ids), AT_ONCE):
            other = or_(owner_id.is_(None), owner_id != principal_id)
            foreign = chosen.where(row_id.in_(ids[at : at + AT_ONCE]), other).order_by(row_id).limit(1)
            if (found := session.execute(foreign).one_or_none()) is not None:
                return str(found[1]), found[0]
    return None


def kind_of(row_id: str) -> str:
    """Return the kind of a row with an owner, e.g. `run`."""
    return NAMES[_TABLES[row_id.partition("_")[0]]]


# A step that a worker of the release before has started carries no owner's id: its experiment's counts.
_OF_JOB = func.coalesce(JobRow.owner_id, ExperimentRow.owner_id)
_OF_RUN = func.coalesce(RunRow.owner_id, JobRow.owner_id, ExperimentRow.owner_id)
_WITH_EXPERIMENT = JobRow.experiment_id == ExperimentRow.id
_OWNERS: Mapping[str, Select[Any, str]] = {
    "ds": select(DatasetRow.owner_id, DatasetRow.id),
    "exp": select(ExperimentRow.owner_id, ExperimentRow.id),
    "job": select(_OF_JOB, JobRow.id).outerjoin(ExperimentRow, _WITH_EXPERIMENT),
    "run": select(_OF_RUN, RunRow.id).join(JobRow).outerjoin(ExperimentRow, _WITH_EXPERIMENT),
    "bun": select(BundleRow.owner_id, BundleRow.id),
    "upl": select(UploadRow.owner_id, UploadRow.id),
    "wh": select(WebhookRow.owner_id, WebhookRow.id),
}
_TABLES: Mapping[str, type[object]] = {
    "ds": DatasetRow,
    "exp": ExperimentRow,
    "job": JobRow,
    "run": RunRow,
    "bun": BundleRow,
    "upl": UploadRow,
    "wh": WebhookRow,
}
