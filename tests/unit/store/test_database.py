import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.store.database import Database, new_engine, wait_until_up


def test_a_server_that_never_comes_up_is_an_error_after_the_patience_is_over() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none", patience_s=0)
    with pytest.raises(OperationalError), database.begin():
        pass
    database.dispose()


def test_a_database_that_is_still_coming_up_is_waited_for(tmp_path: Path) -> None:
    # given a database that cannot be opened yet
    folder = tmp_path / "late"
    engine = new_engine(f"sqlite:///{folder / 'cellgate.db'}")
    folder.rmdir()
    with pytest.raises(OperationalError):
        wait_until_up(engine, timeout_s=0)

    # when it comes up while somebody waits
    arrival = threading.Timer(0.3, folder.mkdir)
    arrival.start()
    wait_until_up(engine, timeout_s=30)

    # then the wait ends without an error
    arrival.join()
    engine.dispose()


def test_sqlite_is_durable_and_keeps_foreign_keys(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'below' / 'new.db'}")
    with database.read() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
