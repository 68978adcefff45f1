"""Write a backup while the service goes on: one snapshot of the database, and the files that its rows name."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

from alembic.runtime.migration import MigrationContext
from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.files import sync_folder
from cellgate.contract.states import RunState
from service.store.artifact_store import LocalStore
from service.store.backup.container import DECISIONS, FILES, FORM, HEADER, ROWS, BackupWriter
from service.store.backup.decisions import verify_decisions
from service.store.backup.files import FileBackup
from service.store.backup.rows import dump, tables_of
from service.store.database import Database, now_s
from service.store.removals import run_folder_key
from service.store.tables import RunRow, UploadRow

FILES_IN_PART = 20_000


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a backup holds."""

    files: int
    decisions: int
    size_bytes: int


def write_backup(database: Database, data_dir: Path, target: Path, *, checkpoints: bool = True) -> Written:
    """Write a backup to a file that only its owner can read: it holds hashes of tokens and secrets of webhooks.

    Args:
        database: Read in one transaction.
        data_dir: The data folder.
        target: Replaced whole, or not at all.
        checkpoints: Whether runs that have not ended can go on where they were.

    Raises:
        FileChanged: A file that should not change any more was changed or removed meanwhile; try again.
        OSError: A file cannot be read, or the target not be written.
    """
    with _private_file(target) as out, _snapshot(database) as session:
        writer = BackupWriter(out)
        writer.add_json(HEADER, _header(session, data_dir, checkpoints=checkpoints))
        for name, table in tables_of(session.connection()).items():
            for number, part in enumerate(dump(session.connection(), table)):
                writer.add(f"{ROWS}{name}/{number:06}.jsonl", part)
        files = _add_files(session, LocalStore(data_dir), writer, checkpoints=checkpoints)
        verified = verify_decisions(session)
        writer.add_json(DECISIONS, verified)
        writer.end()
        out.flush()
        size = out.tell()
    return Written(files=files, decisions=len(verified), size_bytes=size)


@contextmanager
def _snapshot(database: Database) -> Iterator[Session]:
    with database.read() as session:
        if database.dialect == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def _header(session: Session, data_dir: Path, *, checkpoints: bool) -> dict[str, object]:
    return {
        "form": FORM,
        "release": version("cellgate"),
        "revision": MigrationContext.configure(session.connection()).get_current_revision(),
        "created_at": session.scalars(now_s().select()).one(),
        "data_dir": str(data_dir.resolve()),
        "checkpoints": checkpoints,
    }


def _add_files(session: Session, store: LocalStore, writer: BackupWriter, *, checkpoints: bool) -> int:
    files = FileBackup(store, writer, checkpoints=checkpoints)
    ended = [state.value for state in RunState if state.terminal]
    for run_id, state in session.execute(select(RunRow.id, RunRow.state).order_by(RunRow.id)).all():
        files.add_folder(run_folder_key(run_id)) if state in ended else files.add_running(run_id)
    for key in session.scalars(select(UploadRow.path).order_by(UploadRow.id)).all():
        files.add_folder(key)
    files.add_cache()
    for at in range(0, len(files.listed), FILES_IN_PART):
        lines = [json.dumps(file) for file in files.listed[at : at + FILES_IN_PART]]
        writer.add(f"{FILES}{at // FILES_IN_PART:06}.jsonl", "\n".join(lines).encode())
    return len(files.listed)


@contextmanager
def _private_file(target: Path) -> Iterator[IO[bytes]]:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
