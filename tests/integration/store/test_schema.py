from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

import migrations
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.states import FailureReason
from service.store import lifecycle
from service.store.claims import claim_next
from service.store.database import (
    MIGRATIONS,
    Database,
    UnsuitableDatabase,
    known_revisions,
    migrate,
    new_engine,
    newest_revision,
    schema_fault,
    schema_is_current,
)
from service.store.datasets import create_dataset
from service.store.retries import retry_run
from service.store.tables import AttemptRow, Base, DatasetNameRow, EventRow, RunRow


def test_the_migrations_end_where_the_tables_are(empty_database_url: str) -> None:
    migrate(empty_database_url)

    engine = new_engine(empty_database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, Base.metadata)
        found = {
            table: (
                {column["name"]: column["nullable"] for column in inspect(connection).get_columns(table)},
                {index["name"] for index in inspect(connection).get_indexes(table)},
                {key["name"] for key in inspect(connection).get_unique_constraints(table)},
                {key["name"] for key in inspect(connection).get_foreign_keys(table)},
            )
            for table in inspect(connection).get_table_names()
        }
    engine.dispose()

    assert differences == []
    assert set(found) == {*Base.metadata.tables, "alembic_version"}
    for table in Base.metadata.sorted_tables:
        columns, indexes, _uniques, foreign_keys = found[table.name]
        assert columns == {column.name: column.nullable for column in table.columns}
        assert indexes >= {index.name for index in table.indexes}
        assert foreign_keys == {key.name for key in table.foreign_key_constraints}


def move_to(url: str, revision: str) -> None:
    engine = new_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
    engine.dispose()


def test_what_is_there_survives_the_way_down_and_up_again(empty_database_url: str) -> None:
    # given a run with an attempt, and one that was tried again
    migrate(empty_database_url)
    database = Database(empty_database_url)
    with database.begin() as session:
        create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
        claim = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
        assert claim is not None
        lifecycle.fail(session, run_id=claim.run_id, attempt=1, reason=FailureReason.KILLED, detail="killed")
        successor = retry_run(session, claim.run_id)
        claim_next(session, worker="w", queues=["cpu"], lease_s=60)
    database.dispose()

    # when the schema goes back to the first and comes again
    move_to(empty_database_url, "0001")
    migrate(empty_database_url)

    # then the run that counts is there with all that belongs to it, and references still hold
    database = Database(empty_database_url)
    with database.begin() as session:
        run = session.scalars(select(RunRow)).one()
        assert (run.id, run.state, run.queued_at) == (successor, "starting", run.created_at)
        assert session.scalars(select(AttemptRow.run_id)).all() == [successor]
        assert {event.run_id for event in session.scalars(select(EventRow))} == {successor}
        assert [(name.name, name.last_version) for name in session.scalars(select(DatasetNameRow))] == [("made", 1)]
    with pytest.raises(IntegrityError), database.begin() as session:
        session.execute(update(AttemptRow).values(run_id="run_none"))
    database.dispose()


def test_migrating_twice_changes_nothing_and_the_schema_is_current(empty_database_url: str) -> None:
    migrate(empty_database_url)
    migrate(empty_database_url)

    database = Database(empty_database_url)
    assert schema_is_current(database)
    database.dispose()


def test_an_empty_or_an_old_database_is_not_current(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    assert not schema_is_current(database)

    migrate(empty_database_url)
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert not schema_is_current(database)
    database.dispose()


def test_a_schema_that_is_missing_old_or_unknown_is_told_with_what_helps(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    assert schema_fault(database) == "the database has no schema yet: run `cellgate migrate`"
    migrate(empty_database_url)
    assert schema_fault(database) is None

    told = {}
    for revision in ("0001", "9999"):
        with database.begin() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
        told[revision] = str(schema_fault(database))
    database.dispose()

    assert told["0001"].endswith("run `cellgate migrate`")
    # Migrating would not help: this release has no way there.
    assert "migrate" not in told["9999"]
    assert told["9999"].endswith("use the release that made it")


def test_a_postgres_database_that_is_not_in_utf_8_is_refused_with_what_to_do(postgres_server: str) -> None:
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"))
    admin.dispose()
    url = make_url(postgres_server).set(database="ascii").render_as_string(hide_password=False)

    with pytest.raises(UnsuitableDatabase, match="is in SQL_ASCII, expected UTF8: create it with CREATE DATABASE"):
        migrate(url)


def test_the_newest_revision_is_named_by_its_file_as_alembic_finds_it() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))

    assert [newest_revision()] == scripts.get_heads()
    assert known_revisions() == {script.revision for script in scripts.walk_revisions()}
