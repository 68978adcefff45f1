"""Plain `alembic downgrade` goes from the newest schema to none and back, step by step, with rows in every table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config, main
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, Float, Integer, MetaData, Table, func, insert, inspect, select

from service.store.database import Database, migrate, schema_is_current

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def alembic(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Alembic's own command line on the database, as an operator runs it."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("CELLGATE_DATABASE_URL", empty_database_url)
    return lambda *arguments: main(argv=list(arguments))


def revisions() -> list[str]:
    """Return every revision, newest first."""
    config = Config()
    config.set_main_option("script_location", str(REPOSITORY / "migrations"))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]


def fill(url: str) -> None:
    """Insert a row into every table that has none, with a value in every column, and one that a retry replaced."""
    database = Database(url)
    with database.begin() as session:
        metadata = MetaData()
        metadata.reflect(session.connection())
        for table in metadata.sorted_tables:
            if table.name != "alembic_version" and not session.scalar(select(func.count()).select_from(table)):
                if "superseded_by" in table.c:
                    session.execute(insert(table).values(row_of(table) | {"id": "replaced"}))
                    session.execute(insert(table).values(row_of(table) | {"superseded_by": None}))
                else:
                    session.execute(insert(table).values(row_of(table)))
    database.dispose()


def row_of(table: Table) -> dict[str, Any]:
    """Return a row whose every text is `x`, so that each reference leads to the one row of its table."""
    return {column.name: value_of(column.type) for column in table.columns}


def value_of(kind: Any) -> Any:
    match kind:
        case JSON():
            return {}
        case Boolean():
            return True
        case Integer():
            return 1
        case Float():
            return 1.0
    return "x"


def counts(url: str) -> dict[str, int]:
    database = Database(url)
    with database.read() as session:
        names = inspect(session.connection()).get_table_names()
        metadata = MetaData()
        metadata.reflect(session.connection())
        found = {name: session.scalar(select(func.count()).select_from(metadata.tables[name])) or 0 for name in names}
    database.dispose()
    return {name: count for name, count in found.items() if name != "alembic_version"}


def test_the_schema_goes_down_step_by_step_with_rows_in_every_table_and_comes_up_again(
    empty_database_url: str, alembic: Callable[..., None]
) -> None:
    migrate(empty_database_url)
    fill(empty_database_url)
    assert all(counts(empty_database_url).values())

    for revision in revisions():
        alembic("downgrade", "-1")
        left = counts(empty_database_url)
        assert all(left.values()), f"downgrade of {revision} lost the rows of {left}"

    assert counts(empty_database_url) == {}
    for _ in revisions():
        alembic("upgrade", "+1")
        fill(empty_database_url)
    assert all(counts(empty_database_url).values())
    database = Database(empty_database_url)
    assert schema_is_current(database)
    database.dispose()
