import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from service.store.database import Database, UnsuitableDatabase, migrate, new_engine, schema_is_current
from service.store.tables import Base


def test_the_migrations_end_where_the_tables_are(database_url: str) -> None:
    migrate(database_url)

    engine = new_engine(database_url)
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


def test_migrating_twice_changes_nothing_and_the_schema_is_current(database_url: str) -> None:
    migrate(database_url)
    migrate(database_url)

    database = Database(database_url)
    assert schema_is_current(database)
    database.dispose()


def test_an_empty_or_an_old_database_is_not_current(database_url: str) -> None:
    database = Database(database_url)
    assert not schema_is_current(database)

    migrate(database_url)
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert not schema_is_current(database)
    database.dispose()


def test_a_postgres_database_that_is_not_in_utf_8_is_refused_with_what_to_do(postgres_server: str) -> None:
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"))
    admin.dispose()
    url = make_url(postgres_server).set(database="ascii").render_as_string(hide_password=False)

    with pytest.raises(UnsuitableDatabase, match="is in SQL_ASCII, expected UTF8: create it with CREATE DATABASE"):
        migrate(url)
