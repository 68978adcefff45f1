"""What was committed is on the disk, whatever the server's own default says."""

import pytest
from sqlalchemy import text

from service.store.database import Database

FULL = 2


@pytest.mark.alike
def test_a_commit_returns_once_it_is_on_the_disk(database_url: str) -> None:
    # The tests' PostgreSQL has synchronous_commit off, so what is found here was set by the connection.
    question = "PRAGMA synchronous" if database_url.startswith("sqlite") else "SHOW synchronous_commit"
    database = Database(database_url, statement_timeout_s=5)
    with database.begin() as session:
        found = session.scalar(text(question))
    database.dispose()

    assert found in (FULL, "on")
