"""Restore a backup into an empty place: everything, or nothing.

First the whole file is read and every hash compared. Then files are unpacked beside their place, rows inserted, and
decisions verified; only then do the files move into place. A restore that died is taken back by the next one.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from cellgate.contract.files import atomic_file
from service.store.artifact_store import BadKey, LocalStore, artifact_key, checked_key
from service.store.backup.container import (
    BLOBS,
    BLOCK_BYTES,
    DECISIONS,
    FILES,
    HEADER,
    ROWS,
    BackupDamaged,
    Member,
    check_header,
    read_members,
)
from service.store.backup.decisions import Verified, verify_decisions
from service.store.backup.place import PLACES, empty_place, move_into_place
from service.store.backup.rows import count_on, load, tables_of, wipe
from service.store.database import Database, known_revisions, migrate
from service.store.lifecycle import release_all
from service.store.tables import AttemptRow

SHA256 = re.compile(r"[0-9a-f]{64}")
# Columns whose text is a path below the artifact root, or (of uploads) below the data folder.
PATHS = {"datasets": ("path",), "runs": ("path",), "attempts": ("path", "checkpoint"), "uploads": ("path",)}


class DecisionsDiffer(Exception):
    """A restored decision is not what it was; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored.

    Args:
        rows: Rows of all tables.
        files: Files of runs, uploads and caches.
        decisions: Decisions that were computed again and are equal to what they were.
        requeued: Runs that were at work and are queued again, or are paused or cancelled as was requested.
    """

    rows: int
    files: int
    decisions: int
    requeued: int


def restore_backup(url: str, data_dir: Path, source: Path) -> Restored:
    """Restore a backup.

    Args:
        url: Of a database without rows; SQLite or PostgreSQL, whichever the backup is of.
        data_dir: A data folder without artifacts and uploads.
        source: The backup.

    Raises:
        BackupDamaged: It is cut, changed, or no backup; nothing was written.
        PlaceInUse: Something is there already, or another restore is; nothing was written.
        DecisionsDiffer: A decision differs from the one in the backup; the place is empty again.
        OSError: A file cannot be read or written; the place is empty again.
    """
    header = _check_whole(source)
    if header["revision"] not in known_revisions():
        raise BackupDamaged(f"its schema, {header['revision']}, is of another release: restore it with that one")
    data_dir = data_dir.resolve()
    with empty_place(url, data_dir) as work:
        migrate(url, str(header["revision"]))
        rows, files, verified = _unpack(url, data_dir, work, source, header)
        migrate(url)
        database = Database(url)
        try:
            with database.begin() as session:
                requeued = _settle(session, LocalStore(work), at_s=float(header["created_at"]))
            with database.read() as session:
                _compare(verified, verify_decisions(session))
        finally:
            database.dispose()
        move_into_place(work, data_dir)
    return Restored(rows=rows, files=files, decisions=len(verified), requeued=requeued)


def _check_whole(source: Path) -> Mapping[str, Any]:
    """Read the whole backup once and return its header.

    Raises:
        BackupDamaged: It is not as it was written.
    """
    header: Mapping[str, Any] | None = None
    with source.open("rb") as file:
        for number, member in enumerate(read_members(file)):
            if number == 0:
                if member.name != HEADER:
                    raise BackupDamaged(f"it begins with {member.name}, expected {HEADER}")
                header = member.json()
    if header is None:
        raise BackupDamaged("it is empty")
    check_header(header)
    return header


def _unpack(url: str, data_dir: Path, work: Path, source: Path, header: Mapping[str, Any]) -> tuple[int, int, Verified]:
    """Insert the rows and unpack the files; return their numbers and what verifying the decisions gave."""
    rows = files = 0
    verified: Verified = {}
    placed: dict[str, Path] = {}
    database = Database(url)
    try:
        with database.begin() as session, source.open("rb") as file:
            tables = tables_of(session.connection())
            wipe(session.connection(), tables)
            for member in read_members(file):
                if member.name.startswith(ROWS):
                    name = member.name.split("/")[1]
                    lines = map(partial(_checked, name), member.lines())
                    found = (_moved(name, row, str(header["data_dir"]), str(data_dir)) for row in lines)
                    rows += load(session.connection(), tables[name], found)
                elif member.name.startswith(BLOBS):
                    _write_blob(work, member)
                elif member.name.startswith(FILES):
                    for key, _, sha256 in member.lines():
                        _place_file(work, str(key), str(sha256), placed)
                        files += 1
                elif member.name == DECISIONS:
                    verified = member.json()
            count_on(session.connection(), tables)
    finally:
        database.dispose()
    return rows, files, verified


def _checked(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose paths stay in the data folder: whoever writes a backup must not choose what is deleted."""
    for column in PATHS.get(table, ()):
        if row.get(column) is not None:
            _checked_path(f"{table}.{column}", str(row[column]))
    return row


def _checked_path(what: str, path: str) -> str:
    try:
        return checked_key(path)
    except BadKey as error:
        raise BackupDamaged(f"{what}: {error}") from error


def _moved(table: str, row: dict[str, Any], before: str, now: str) -> dict[str, Any]:
    """Return a row whose paths into the old data folder lead into the new one."""

    def moved(path: Any) -> Any:
        inside = isinstance(path, str) and path.startswith(f"{before}/")
        return now + path[len(before) :] if inside else path

    if table == "datasets":
        row["source"] = moved(row["source"])
    if table in ("datasets", "jobs") and isinstance(row["spec"], dict) and "graphs" in row["spec"]:
        row["spec"]["graphs"] = moved(row["spec"]["graphs"])
    return row


def _write_blob(work: Path, member: Member) -> None:
    with atomic_file(work / member.name) as out:
        while block := member.content.read(BLOCK_BYTES):
            out.write(block)


def _place_file(work: Path, key: str, sha256: str, placed: dict[str, Path]) -> None:
    if not any(key.startswith(f"{place}/") for place in PLACES):
        raise BackupDamaged(f"it names the file {key}, which no backup has")
    if not SHA256.fullmatch(sha256):
        raise BackupDamaged(f"the hash of {key} is {sha256!r}, which is none")
    target = work / _checked_path("a file", key)
    target.parent.mkdir(parents=True, exist_ok=True)
    if sha256 in placed:
        shutil.copyfile(placed[sha256], target)
    else:
        (work / BLOBS / sha256).rename(target)
        placed[sha256] = target


def _settle(session: Session, store: LocalStore, *, at_s: float) -> int:
    """Queue again what was at work, and forget checkpoints that are not in the backup; return how many runs it were."""
    held = release_all(session, why="restored from a backup")
    ended = case((AttemptRow.started_at > at_s, AttemptRow.started_at), else_=at_s)
    late = update(AttemptRow).where(AttemptRow.run_id.in_(held), AttemptRow.finished_at > at_s)
    session.execute(late.values(finished_at=ended).execution_options(synchronize_session=False))
    for attempt in session.scalars(select(AttemptRow).where(AttemptRow.checkpoint.is_not(None))).all():
        if next(store.list(artifact_key(str(attempt.checkpoint))), None) is None:
            of_it = (AttemptRow.run_id == attempt.run_id, AttemptRow.attempt == attempt.attempt)
            forgotten = update(AttemptRow).where(*of_it).values(checkpoint=None)
            session.execute(forgotten.execution_options(synchronize_session=False))
    return len(held)


def _compare(before: Verified, now: Verified) -> None:
    differ = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if differ:
        name = differ[0]
        raise DecisionsDiffer(
            f"{len(differ)} decisions differ, the first one is {name}: verified in the backup: "
            f"{json.dumps(before.get(name))}, now: {json.dumps(now.get(name))}"
        )
