"""What is stored, by kind and owner: measured by the reconciler from time to time, and read from a table.

No request walks the disk: the walk takes seconds where there are many files.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from cellgate.contract.api.operations import StorageKind
from cellgate.contract.artifacts import (
    BUNDLE_FOLDER,
    CHECKPOINT_FOLDER,
    DATASET_FOLDER,
    EVENTS_NAME,
    MODEL_FOLDER,
    OUTPUT_NAME,
    PREDICTIONS_FOLDER,
)
from service.domain.principals import RESERVED_START, Owner
from service.store.artifact_store import ARTIFACTS, UPLOADS, ArtifactStore, StoredFile
from service.store.database import now_s
from service.store.locks import AdvisoryLock, one_at_a_time
from service.store.quotas import OWNER_KEY
from service.store.tables import PrincipalRow, RunRow, StorageRow

NOBODY = ""
OF_RUNS: Mapping[str, StorageKind] = {
    DATASET_FOLDER: StorageKind.DATASETS,
    CHECKPOINT_FOLDER: StorageKind.CHECKPOINTS,
    MODEL_FOLDER: StorageKind.MODELS,
    PREDICTIONS_FOLDER: StorageKind.PREDICTIONS,
    BUNDLE_FOLDER: StorageKind.BUNDLES,
    EVENTS_NAME: StorageKind.LOGS,
    OUTPUT_NAME: StorageKind.LOGS,
}
SQLITE_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Stored bytes of one kind of one owner.

    Args:
        owner: `OWNER_KEY` of the runs that wrote them; empty where nobody's is known.
    """

    kind: StorageKind
    owner: str
    size_bytes: int
    files: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Stored bytes of one kind of one owner, as they were measured last.

    Args:
        measured_at: In seconds since the epoch.
    """

    kind: StorageKind
    owner: Owner
    size_bytes: int
    files: int
    measured_at: float


def owners_of_runs(session: Session) -> dict[str, str]:
    """Return the owner's key of every run that has an owner, by the run's id."""
    chosen = select(RunRow.id, OWNER_KEY).where(OWNER_KEY.is_not(None))
    return {run_id: str(owner) for run_id, owner in session.execute(chosen)}


def measure_files(store: ArtifactStore, owners: Mapping[str, str]) -> list[Part]:
    """Return what is stored in files, by kind and owner.

    Args:
        store: Walked from end to end; call it outside of a transaction.
        owners: Owner's key of each run, by its id.
    """
    sizes: dict[tuple[StorageKind, str], int] = defaultdict(int)
    files: dict[tuple[StorageKind, str], int] = defaultdict(int)
    for folder in (ARTIFACTS, UPLOADS):
        for file in store.list(folder):
            key = _kind_and_owner(file, owners)
            sizes[key] += file.size_bytes
            files[key] += 1
    return [
        Part(kind=kind, owner=owner, size_bytes=size, files=files[kind, owner])
        for (kind, owner), size in sorted(sizes.items())
    ]


def _kind_and_owner(file: StoredFile, owners: Mapping[str, str]) -> tuple[StorageKind, str]:
    parts = file.key.split("/")
    match parts:
        case ["data", *_]:
            return StorageKind.UPLOADS, NOBODY
        case [_, "runs", run_id, _, name, *_]:
            return OF_RUNS.get(name, StorageKind.OTHER), owners.get(run_id, NOBODY)
        case [_, "lr_cache", *_]:
            return StorageKind.CACHE, NOBODY
    return StorageKind.OTHER, NOBODY


def database_size(session: Session) -> int:
    """Return the bytes of the database: SQLite's files, or what PostgreSQL reports."""
    bind = session.get_bind()
    if bind.dialect.name == "postgresql":
        return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    path = make_url(str(bind.engine.url)).database or ""
    found = [Path(f"{path}{suffix}") for suffix in SQLITE_FILES]
    return sum(file.stat().st_size for file in found if file.exists())


def store_measured(session: Session, parts: Iterable[Part]) -> None:
    """Replace what was measured before; the database itself is measured here."""
    size = Part(kind=StorageKind.DATABASE, owner=NOBODY, size_bytes=database_size(session), files=1)
    rows = [
        {"kind": part.kind.value, "owner": part.owner, "size_bytes": part.size_bytes, "files": part.files}
        for part in (*parts, size)
    ]
    # Two reconcilers that measure at the same time would insert the same rows.
    one_at_a_time(session, AdvisoryLock.MEASUREMENTS)
    session.execute(delete(StorageRow))
    session.execute(insert(StorageRow).values(measured_at=now_s()), rows)


def measured(session: Session) -> list[Measured]:
    """Return what was measured last, largest first; empty before the first time."""
    chosen = select(StorageRow, PrincipalRow.name).outerjoin(PrincipalRow, PrincipalRow.id == StorageRow.owner)
    ordered = chosen.order_by(StorageRow.size_bytes.desc(), StorageRow.kind, StorageRow.owner)
    return [
        Measured(
            kind=StorageKind(row.kind),
            owner=_owner_of(row.owner, name),
            size_bytes=row.size_bytes,
            files=row.files,
            measured_at=row.measured_at,
        )
        for row, name in session.execute(ordered)
    ]


def _owner_of(key: str, name: str | None) -> Owner:
    if key.startswith(RESERVED_START):
        return Owner(id=key, name=name)
    return Owner(id=None, name=key or None)


def measured_by_kind(session: Session) -> dict[StorageKind, int]:
    """Return the bytes that were measured last, by kind."""
    chosen = select(StorageRow.kind, func.sum(StorageRow.size_bytes)).group_by(StorageRow.kind)
    return {StorageKind(kind): int(size) for kind, size in session.execute(chosen)}
