"""Ids that sort by age, and rows by their ids: one error for every kind of row that does not exist."""

from typing import Literal, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session
from ulid import ULID

from service.domain.errors import NotFound
from service.store.tables import (
    BundleRow,
    DatasetRow,
    ExperimentRow,
    JobRow,
    PrincipalRow,
    RunRow,
    TokenRow,
    UploadRow,
    WebhookRow,
    WorkerRow,
)

AnyRow = TypeVar(
    "AnyRow",
    BundleRow,
    DatasetRow,
    ExperimentRow,
    JobRow,
    PrincipalRow,
    RunRow,
    TokenRow,
    UploadRow,
    WebhookRow,
    WorkerRow,
)
T = TypeVar("T")
NAMES: dict[type[object], str] = {
    BundleRow: "bundle",
    DatasetRow: "data set",
    ExperimentRow: "experiment",
    JobRow: "job",
    PrincipalRow: "principal",
    RunRow: "run",
    TokenRow: "token",
    UploadRow: "upload",
    WebhookRow: "webhook",
    WorkerRow: "worker",
}
# Where a caller finds the valid ids.
ADVICE: dict[type[object], str] = {WorkerRow: "; GET /v1/workers lists those there are"}


def get_row(session: Session, table: type[AnyRow], row_id: str, *, lock: bool = False) -> AnyRow:
    """Return the row of `table` with this id.

    Args:
        session: Transaction to read in.
        table: Mapped class of the row.
        row_id: Primary key, as callers know it.
        lock: Lock the row against other writers until the transaction ends.

    Raises:
        NotFound: No such row exists.
    """
    chosen = select(table).where(table.id == row_id)
    if lock:
        chosen = chosen.with_for_update(key_share=True)
    return existing(session.scalar(chosen), table, row_id)


def existing(found: T | None, table: type[object], row_id: str) -> T:
    """Return `found`, which a query for this id returned.

    Args:
        found: Row or columns; None where the query matched nothing.
        table: Mapped class that names the kind of row in the error.
        row_id: Id that was looked up.

    Raises:
        NotFound: `found` is None.
    """
    if found is None:
        raise NotFound(f"there is no {NAMES[table]} {row_id}{ADVICE.get(table, '')}")
    return found


Prefix = Literal["ds", "exp", "job", "run", "tok", "bun", "upl", "wh", "dlv", "pri"]

KIND_OF_PREFIX: dict[str, str] = {
    "ds": "dataset",
    "exp": "experiment",
    "job": "job",
    "run": "run",
    "bun": "bundle",
    "tok": "token",
    "upl": "upload",
    "wh": "webhook",
    "dlv": "delivery",
    "pri": "principal",
}


def kind_of_id(row_id: str) -> str:
    """Return the kind of thing that an id names, as the API's paths call it."""
    return KIND_OF_PREFIX[row_id.partition("_")[0]]


def new_id(prefix: Prefix) -> str:
    """Return a fresh identifier, e.g. `run_01JZ0000000000000000000000`."""
    return f"{prefix}_{ULID()}"
