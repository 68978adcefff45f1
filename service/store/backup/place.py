"""The empty place that a backup is restored into: one restore at a time, and left empty after an error."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cellgate.contract.files import sync_folder
from cellgate.contract.storage import RESTORING
from service.store.artifact_store import ARTIFACTS, UPLOADS, LocalStore
from service.store.backup.rows import tables_of, used_tables, wipe
from service.store.database import Database

PLACES = (ARTIFACTS, UPLOADS)
# A restore that is done: what is left of its working folder.
RESTORED = ".restored"
# In the working folder: the hash of the database's URL, whose rows belong to this restore. Locked while it is at work.
MARKER = "of"


class PlaceInUse(Exception):
    """The place is not empty; the message names what is there."""


@contextmanager
def empty_place(url: str, data_dir: Path) -> Iterator[Path]:
    """Yield a working folder in an empty place, and leave the place empty after an error.

    Args:
        url: Of the database.
        data_dir: The data folder.

    Raises:
        PlaceInUse: Something is there already, or another restore is at work or was into another database.
    """
    work = data_dir / RESTORING
    shutil.rmtree(data_dir / RESTORED, ignore_errors=True)
    was_there = work.exists()
    if not was_there:
        _refuse_used(url, data_dir)
        work.mkdir(parents=True)
    with _locked(work / MARKER) as marker:
        if was_there:
            _clear_dead_restore(url, data_dir, marker)
        (work / MARKER).write_text(_mark_of(url))
        try:
            yield work
        except BaseException:
            _take_back(url, data_dir)
            raise
        # From here on the place is in use: a later restore must not take it for one that died.
        work.rename(data_dir / RESTORED)
        sync_folder(data_dir)
    shutil.rmtree(data_dir / RESTORED)


def move_into_place(work: Path, data_dir: Path) -> None:
    """Move the files from the working folder to where the service looks for them.

    Args:
        work: The working folder.
        data_dir: The data folder; a folder in it may be a link to another disk.
    """
    for place in PLACES:
        found, target = work / place, (data_dir / place).resolve()
        if not found.exists():
            continue
        target.mkdir(parents=True, exist_ok=True)
        _empty(target)
        for child in sorted(found.iterdir()):
            shutil.move(child, target / child.name)
        if found.stat().st_dev != target.stat().st_dev:
            # They were copied.
            os.sync()
        sync_folder(target)
        sync_folder(target.parent)


@contextmanager
def _locked(file: Path) -> Iterator[str]:
    """Yield the file's text while no other process has it; the lock of a process ends with it."""
    with file.open("a+") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PlaceInUse(f"another restore is at work in {file.parent}: wait for its end") from error
        if not os.path.samestat(os.fstat(opened.fileno()), file.stat()):
            raise PlaceInUse(f"another restore has just ended in {file.parent.parent}")
        opened.seek(0)
        yield opened.read()


def _mark_of(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def _clear_dead_restore(url: str, data_dir: Path, marker: str) -> None:
    work = data_dir / RESTORING
    if marker == _mark_of(url):
        # The place was empty when that restore began, and is not in use before its end.
        _take_back(url, data_dir, keep_work=True)
    elif marker:
        raise PlaceInUse(
            f"{work} is of a restore into another database that did not end: run it again with that "
            f"CELLGATE_DATABASE_URL, or, if that database is given up, remove {work} and what it has left in {data_dir}"
        )
    else:
        # It died before it wrote anything, or after it had taken everything back.
        try:
            _refuse_used(url, data_dir)
        except PlaceInUse:
            shutil.rmtree(work)
            raise


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


def _take_back(url: str, data_dir: Path, *, keep_work: bool = False) -> None:
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
        _empty((data_dir / place).resolve())
    work = data_dir / RESTORING
    for child in work.iterdir():
        if child.name != MARKER:
            shutil.rmtree(child)
    if not keep_work:
        shutil.rmtree(work)


def _empty(folder: Path) -> None:
    if not folder.exists():
        return
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            with suppress(FileNotFoundError):
                child.unlink()
