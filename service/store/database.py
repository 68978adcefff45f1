"""The database: transactions on SQLite or PostgreSQL, and its clock."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Double

from service.store.connections import READ_ONLY, begin_on_sqlite, commit_durably, configure_sqlite
from service.store.database_faults import DatabaseDamaged, DatabaseFull, name_fault
from service.store.locks import AdvisoryLock
from service.store.silence import limit_silence, link_parameters
from service.store.statement_limits import limit_statements

if TYPE_CHECKING:
    from alembic.config import Config

FIRST_CONNECTION_TIMEOUT_S = 30.0
RETRY_S = 0.25
# Beside this package, wherever it lies: an installed package of that name may be somebody else's.
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
# What reads rows: a connection costs a third of a session.
Reader = Session | Connection
VERSION_TABLE = "alembic_version"
HEAD = "head"


class UnsuitableDatabase(RuntimeError):
    """The database cannot store all of our text; the message names the remedy."""


class now_s(FunctionElement[float]):
    """The database's own clock at this statement: seconds since the epoch."""

    type = Double()
    inherit_cache = True


@compiles(now_s, "sqlite")
def _now_on_sqlite(_element: "now_s", _compiler: SQLCompiler, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now_s, "postgresql")
def _now_on_postgresql(_element: "now_s", _compiler: SQLCompiler, **_options: Any) -> str:
    # now() would stand still for the whole transaction.
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


class Watcher(Protocol):
    """Observer of every SQL statement."""

    def begun(self, connection: Connection, statement: str) -> None:
        """Called before a statement is sent."""
        ...

    def ended(self, connection: Connection) -> None:
        """Called after a statement has succeeded."""
        ...

    def failed(self, context: ExceptionContext) -> None:
        """Called after a statement, or anything else on the connection, has failed."""
        ...


class Database:
    """Transactions on one database.

    Args:
        url: `sqlite:///FILE` or `postgresql+psycopg://…`; nothing is connected before the first transaction.
        patience_s: Seconds that the first transaction waits for a server that is still starting.
        statement_timeout_s: Longest time that one statement may take; None for any.
        silence_s: How long a PostgreSQL server may say nothing while a caller waits for it; None for ever.
    """

    def __init__(
        self,
        url: str,
        *,
        patience_s: float = FIRST_CONNECTION_TIMEOUT_S,
        statement_timeout_s: float | None = None,
        silence_s: float | None = None,
    ) -> None:
        self._engine = new_engine(url)
        if statement_timeout_s is not None:
            limit_statements(self._engine, statement_timeout_s)
        if silence_s is not None:
            limit_silence(self._engine, silence_s)
        self._reading = self._engine.execution_options(**{READ_ONLY: True})
        self._patience_s = patience_s
        self._was_up = False
        # SQLite has one writer at a time: waiting here is fair and costs nothing, waiting there polls.
        self._writer: AbstractContextManager[Any] = threading.Lock() if _is_sqlite(self._engine) else nullcontext()

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Yield one transaction that may write; it is committed when the block ends without an error.

        Raises:
            sqlalchemy.exc.OperationalError: The database cannot be reached, or stayed locked for 30 s.
        """
        self._wait_until_up()
        with self._writer, _session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield one transaction that only reads; on SQLite it neither blocks a writer nor waits for one."""
        self._wait_until_up()
        with _session(self._reading) as session, session.begin():
            yield session

    @contextmanager
    def read_rows(self) -> Iterator[Connection]:
        """Yield what `read` does without the ORM: for a statement that costs less than a session."""
        self._wait_until_up()
        with self._reading.connect() as connection:
            yield connection

    def watch(self, watcher: Watcher) -> None:
        """Call the watcher for every statement from now on."""
        event.listen(self._engine, "before_cursor_execute", lambda c, _c, sql, *_: watcher.begun(c, sql))
        event.listen(self._engine, "after_cursor_execute", lambda c, *_: watcher.ended(c))
        event.listen(self._engine, "handle_error", watcher.failed)

    def dispose(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def _wait_until_up(self) -> None:
        if not self._was_up:
            wait_until_up(self._engine, timeout_s=self._patience_s)
            self._was_up = True


def new_engine(url: str) -> Engine:
    """Return an engine with Cellgate's settings; nothing is connected yet."""
    parsed = make_url(url)
    # Parameters may hold secrets, and errors end in the log.
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, pool_size=20, max_overflow=40, hide_parameters=True)
        event.listen(engine, "connect", configure_sqlite)
        event.listen(engine, "begin", begin_on_sqlite)
        event.listen(engine, "handle_error", name_fault, retval=True)
        return engine
    # Set here, not left to the server: with SQL_ASCII the driver would return bytes.
    arguments = {"client_encoding": "utf8", **link_parameters(parsed)}
    engine = create_engine(
        parsed, pool_size=10, max_overflow=30, pool_pre_ping=True, hide_parameters=True, connect_args=arguments
    )
    event.listen(engine, "connect", commit_durably)
    event.listen(engine, "handle_error", name_fault, retval=True)
    return engine


def wait_until_up(engine: Engine, *, timeout_s: float) -> None:
    """Wait until the database accepts a connection.

    Args:
        engine: Of the database.
        timeout_s: Seconds to wait at most.

    Raises:
        sqlalchemy.exc.OperationalError: It accepts none within `timeout_s`, or is full or damaged.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with engine.connect():
                return
        except (DatabaseDamaged, DatabaseFull):
            # Neither mends itself while a caller waits.
            raise
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)


def _session(engine: Engine) -> Session:
    # Rows are changed by statements only, so a select must never answer from what was read before.
    return Session(engine, expire_on_commit=False, execution_options={"populate_existing": True})


def _is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def migrate(url: str, revision: str = HEAD) -> None:
    """Migrate the database up to a revision, by default the newest; do nothing if it has that already.

    Raises:
        UnsuitableDatabase: It is a PostgreSQL database that is not in UTF-8.
        sqlalchemy.exc.OperationalError: The database cannot be reached.
    """
    engine = new_engine(url)
    try:
        wait_until_up(engine, timeout_s=FIRST_CONNECTION_TIMEOUT_S)
        with engine.connect() as connection:
            if revision == HEAD and _revisions_in(connection) == {newest_revision()}:
                return
        # A tenth of a start, of which most have nothing to migrate.
        from alembic import command

        with engine.connect() as connection:
            allow_table_rebuilds(connection)
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    _check_encoding(connection)
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.MIGRATE.value})
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
    finally:
        engine.dispose()


def allow_table_rebuilds(connection: Connection) -> None:
    """Let migrations rebuild tables that others refer to; call it before the transaction begins.

    SQLite changes a constraint by rebuilding the table; for a moment, rows refer to a table that is gone.
    """
    if connection.dialect.name == "sqlite":
        connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")


def _check_encoding(connection: Connection) -> None:
    # Elsewhere JSON with any character beyond ASCII would be refused, and a run could not end.
    found = connection.execute(text("SHOW server_encoding")).scalar_one()
    if found != "UTF8":
        raise UnsuitableDatabase(
            f"the PostgreSQL database is in {found}, expected UTF8: create it with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )


def schema_is_current(database: Database) -> bool:
    """Return whether the database's schema is the one that this code was written for."""
    return schema_fault(database) is None


def known_revisions() -> frozenset[str]:
    """Return every revision that this release can migrate from."""
    return frozenset(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def newest_revision() -> str:
    """Return the revision of the schema that this code was written for: each file is named after its own."""
    return max(known_revisions())


def _revisions_in(connection: Connection) -> set[str]:
    if not inspect(connection).has_table(VERSION_TABLE):
        return set()
    return set(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars())


def schema_fault(database: Database) -> str | None:
    """Return in words what the database's schema is instead of this release's, and what to do; None if it is that."""
    with database.read() as session:
        found = _revisions_in(session.connection())
    newest = {newest_revision()}
    if found == newest:
        return None
    if not found:
        return "the database has no schema yet: run `cellgate migrate`"
    has, needs = " and ".join(sorted(found)), " and ".join(sorted(newest))
    if found <= known_revisions():
        return f"the database's schema is {has}, this release needs {needs}: run `cellgate migrate`"
    return f"the database's schema is {has}, which this release ({needs}) does not know: use the release that made it"


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
