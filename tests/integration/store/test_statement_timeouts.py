"""A statement that takes longer than it may ends with an error, on each database."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.store.database import Database
from service.store.statement_limits import took_too_long

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_statement_that_takes_too_long_is_stopped_and_others_are_not(database_url: str) -> None:
    database = Database(database_url, statement_timeout_s=0.2)
    with pytest.raises(OperationalError) as error, database.read() as session:
        session.execute(text(ENDLESS))
    assert took_too_long(error.value)
    with database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.dispose()


def test_other_errors_are_not_taken_for_it(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(Exception, match="nothing_there") as error, database.read() as session:
        session.execute(text("SELECT * FROM nothing_there"))
    assert not took_too_long(error.value)  # type: ignore[arg-type]
    database.dispose()
