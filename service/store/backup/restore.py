"""Restore a backup into an empty place: everything, or nothing.

First the whole file is read and every hash compared. Then files are unpacked beside their place, rows inserted, and
decisions verified; only then do the files move into place. A restore that died is taken back by the next one.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from cellgate.contract.files import atomic_file, sync_folder
from service.store.artifact_store import ARTIFACTS, UPLOADS, LocalStore, artifact_key, checked_key
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
from service.store.backup.rows import count_on, load, tables_of, used_tables, wipe
from service.store.database import Database, known_revisions, migrate
from service.store.lifecycle import release_all
from service.store.tables import AttemptRow

WORK = ".restoring"
PLACES = (ARTIFACTS, UPLOADS)


class PlaceInUse(Exception):
    """The place is not empty; the message names what is there."""


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
        PlaceInUse: Something is there already; nothing was written.
        DecisionsDiffer: A decision differs from the one in the backup; the place is empty again.
        OSError: A file cannot be read or written; the place is empty again.
    """
    header = _check_whole(source)
    if header["revision"] not in known_revisions():
        raise BackupDamaged(f"its schema, {header['revision']}, is of another release: restore it with that one")
    data_dir = data_dir.resolve()
    with _place(url, data_dir) as work:
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
        _move_into_place(work, data_dir)
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


@contextmanager
def _place(url: str, data_dir: Path) -> Iterator[Path]:
    """Yield a working folder in an empty place, and leave the place empty after an error."""
    work = data_dir / WORK
    if work.exists():
        # The place was empty when that restore began, and is not in use before its end.
        _take_back(url, data_dir)
    _refuse_used(url, data_dir)
    work.mkdir(parents=True)
    try:
        yield work
    except BaseException:
        _take_back(url, data_dir)
        raise
    shutil.rmtree(work)


def _refuse_used(url: str, data_dir: Path) -> None:
    for place in PLACES:
        found = next(LocalStore(data_dir).list(place), None)
        if found is not None:
            raise PlaceInUse(f"{data_dir / found.key} is there already: restore into an empty data folder")
    database = Database(url)
    try:
        with database.read() as session:
            used = used_tables(session.connection())
    finally:
        database.dispose()
    if used:
        raise PlaceInUse(f"the database has rows already ({', '.join(used)}): restore into an empty one")


def _take_back(url: str, data_dir: Path) -> None:
    database = Database(url)
    try:
        with database.begin() as session:
            tables = tables_of(session.connection())
            # Its one row is no backup's: the schema comes with it.
            tables.pop("uptime", None)
            wipe(session.connection(), tables)
    finally:
        database.dispose()
    for place in PLACES:
        shutil.rmtree(data_dir / place, ignore_errors=True)
    shutil.rmtree(data_dir / WORK)


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
                    found = (_moved(name, row, str(header["data_dir"]), str(data_dir)) for row in member.lines())
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
    target = work / checked_key(key)
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


def _move_into_place(work: Path, data_dir: Path) -> None:
    for place in PLACES:
        found, target = work / place, data_dir / place
        if not found.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # It has no file in it.
        shutil.rmtree(target, ignore_errors=True)
        found.rename(target)
        sync_folder(target.parent)
