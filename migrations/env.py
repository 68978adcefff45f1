"""Alembic's entry: runs the migrations on the connection it is given, or on CELLGATE_DATABASE_URL."""

import os

from alembic import context
from sqlalchemy import Connection

from service.store.database import allow_table_rebuilds, new_engine
from service.store.tables import Base


def run(connection: Connection) -> None:
    """Run the requested migrations on `connection`."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Run on the caller's connection, or, from the command line, on one of our own."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    url = context.config.get_main_option("sqlalchemy.url") or os.environ["CELLGATE_DATABASE_URL"]
    engine = new_engine(url)
    with engine.connect() as connection:
        # Before the transaction begins: SQLite ignores it within one.
        allow_table_rebuilds(connection)
        with connection.begin():
            run(connection)
    engine.dispose()


main()
