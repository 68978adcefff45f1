"""Name, note, labels and archiving of what people keep; one function for all kinds."""

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import delete, func, insert, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.api.resources import MOST_LABELS
from service.domain.errors import InvalidSpec, Mistake, PreconditionFailed
from service.store.database import now_s
from service.store.dataset_versions import next_version
from service.store.lookup import existing
from service.store.tables import BundleRow, DatasetRow, ExperimentRow, JobRow, LabelRow, RunRow, UploadRow
from service.store.transitions import bump_versions, lock_run

DescribedRow = BundleRow | DatasetRow | ExperimentRow | JobRow | RunRow | UploadRow
# Things without which nobody could tell what they are keep a name.
ALWAYS_NAMED = (DatasetRow, ExperimentRow, UploadRow)


def change_metadata(
    session: Session, table: type[DescribedRow], row_id: str, changes: Mapping[str, Any], *, version: int | None = None
) -> int:
    """Apply a merge patch to a thing's metadata and return its new version.

    Args:
        session: An open transaction.
        table: Of the thing.
        row_id: Its id.
        changes: Some of `name`, `note`, `labels` and `archived`; a label with the value None is removed.
        version: The version that the caller has seen; None: any.

    Raises:
        NotFound: There is no such thing.
        PreconditionFailed: It has another version now.
        InvalidSpec: It needs a name, or would have too many labels.

    Source:
        RFC 7396 (JSON merge patch).
    """
    row = _locked(session, table, row_id)
    check_version(row, version)
    values: dict[str, Any] = {name: changes[name] for name in ("name", "note") if name in changes}
    if values.get("name", "") is None and table in ALWAYS_NAMED:
        detail = "found null, expected a name: only jobs, runs and bundles can do without one"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/name", detail=detail)])
    if "archived" in changes:
        values["archived_at"] = func.coalesce(table.archived_at, now_s()) if changes["archived"] else null()
    if "labels" in changes:
        labels = _merged(_labels_of(session, row), changes["labels"])
        if isinstance(row, ExperimentRow):
            _store_labels(session, row.id, labels)
        else:
            values["labels"] = labels or null()
    if isinstance(row, DatasetRow) and values.get("name", row.name) != row.name:
        values["name_version"] = next_version(session, values["name"])
    changed = update(table).where(table.id == row_id).values(**values, version=table.version + 1)
    session.execute(changed.execution_options(synchronize_session=False))
    _bump_holders(session, row)
    return session.scalars(select(table.version).where(table.id == row_id)).one()


def check_version(row: DescribedRow, version: int | None) -> None:
    """Return where a caller has seen a row's newest version.

    Raises:
        PreconditionFailed: The row has another version.
    """
    if version is not None and row.version != version:
        raise PreconditionFailed(
            f"{row.id} has changed since: found version {version} in If-Match, and it has version {row.version} now; "
            "read it again"
        )


def _locked(session: Session, table: type[DescribedRow], row_id: str) -> DescribedRow:
    if table is RunRow:
        return existing(lock_run(session, row_id), RunRow, row_id)
    chosen = select(table).where(table.id == row_id).with_for_update(key_share=True)
    return cast(DescribedRow, existing(session.scalar(chosen), table, row_id))


def _labels_of(session: Session, row: DescribedRow) -> dict[str, str]:
    if not isinstance(row, ExperimentRow):
        return dict(row.labels or {})
    found = session.scalars(select(LabelRow).where(LabelRow.experiment_id == row.id))
    return {label.key: label.value for label in found}


def _merged(labels: Mapping[str, str], changes: Mapping[str, str | None] | None) -> dict[str, str]:
    if changes is None:
        return {}
    merged = {key: value for key, value in {**labels, **changes}.items() if value is not None}
    if len(merged) > MOST_LABELS:
        detail = f"it would have {len(merged)} labels, expected {MOST_LABELS} at most: remove some with null"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/labels", detail=detail)])
    return merged


def _store_labels(session: Session, experiment_id: str, labels: Mapping[str, str]) -> None:
    session.execute(delete(LabelRow).where(LabelRow.experiment_id == experiment_id))
    rows = [{"experiment_id": experiment_id, "key": key, "value": value} for key, value in labels.items()]
    if rows:
        session.execute(insert(LabelRow), rows)


def _bump_holders(session: Session, row: DescribedRow) -> None:
    """Show the change to those who poll what the row is shown in."""
    if isinstance(row, RunRow):
        bump_versions(session, [row])
    elif isinstance(row, JobRow) and row.experiment_id is not None:
        changed = update(ExperimentRow).where(ExperimentRow.id == row.experiment_id)
        session.execute(changed.values(version=ExperimentRow.version + 1).execution_options(synchronize_session=False))
