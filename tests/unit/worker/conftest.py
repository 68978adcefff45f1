"""A migrated SQLite database of each test's own."""

from collections.abc import Iterator

import pytest

from service.store.database import Database


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """An empty database of the test's own."""
    database = Database(sqlite_url)
    yield database
    database.dispose()
