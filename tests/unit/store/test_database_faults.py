"""A database that is damaged or without room is told apart from one that is away, by every process that opens it."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import errors
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.store.database import Database, migrate
from service.store.database_faults import DatabaseDamaged, DatabaseFull, advice_for, fault_of
from service.store.tables import RunRow
from tests.full_disks import fill, free, small_disk


def garbage(file: Path) -> None:
    file.write_bytes(b"no database at all" * 1_000)


def torn(file: Path) -> None:
    content = bytearray(file.read_bytes())
    # Behind the header, which says what kind of file it is.
    content[100:] = b"\xff" * (len(content) - 100)
    file.write_bytes(content)


def without_tables(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("ALTER TABLE runs RENAME TO gone")
    connection.close()


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def made(folder: Path) -> Path:
    file = folder / "cellgate.db"
    migrate(url_of(file))
    return file


def store_much(database: Database) -> None:
    with database.begin() as session:
        session.execute(text("CREATE TABLE filler (content)"))
        session.execute(text("INSERT INTO filler VALUES (zeroblob(1000000))"))


@pytest.mark.parametrize("damage", [garbage, torn, without_tables])
def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(file := made(tmp_path))
    database = Database(url_of(file))

    with pytest.raises(DatabaseDamaged) as told, database.begin() as session:
        session.query(RunRow).all()

    database.dispose()
    assert "restore" in advice_for(told.value)
    assert ".recover" in advice_for(told.value)


def test_a_full_disk_is_told_and_what_was_refused_works_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size_bytes=4 << 20) as disk:
        database = Database(url_of(made(disk)))
        fill(disk)

        with pytest.raises(DatabaseFull):
            store_much(database)
        free(disk)
        with database.begin() as session:
            session.execute(text("CREATE TABLE filler (content)"))

        database.dispose()


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (errors.DiskFull(), DatabaseFull),
        (errors.DataCorrupted(), DatabaseDamaged),
        (errors.IndexCorrupted(), DatabaseDamaged),
        (errors.UndefinedTable(), DatabaseDamaged),
        (errors.AdminShutdown(), None),
        (errors.UniqueViolation(), None),
        (OSError(), None),
    ],
)
def test_a_postgresql_error_is_known_by_its_state(error: Exception, fault: type[OperationalError] | None) -> None:
    assert fault_of(error) is fault
