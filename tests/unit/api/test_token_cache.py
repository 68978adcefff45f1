"""The token cache: a right token costs one look-up in some seconds, and a revoked one is forgotten in time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from cellgate.contract.api.tokens import Scope
from service.api import auth
from service.api.auth import CACHED_S, RECHECK_S, TokenCache
from service.settings import Settings
from service.store.database import Database
from service.store.tables import TokenRow
from service.store.tokens import USE_NOTED_EVERY_S, create_token, revoke_named


class Clock:
    """A clock that moves only when a test moves it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A migrated database."""
    opened = Database(settings.database)
    yield opened
    opened.dispose()


@contextmanager
def statements() -> Iterator[list[str]]:
    """Yield what is sent to any database while the block runs."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def a_token(database: Database) -> str:
    with database.begin() as session:
        return create_token(session, name="ci", scope=Scope.READ).secret


def test_polling_with_a_token_asks_the_database_once_in_some_seconds(settings: Settings, database: Database) -> None:
    clock, secret = Clock(), a_token(database)
    known = TokenCache(settings, database, clock=clock)
    assert known.cached(secret) is None
    found = known.look_up(secret)
    assert found is not None
    assert (found.name, found.scope) == ("ci", Scope.READ)

    with statements() as seen:
        clock.now += CACHED_S - 0.01
        assert known.cached(secret) == found
    assert seen == []

    clock.now += 0.02
    assert known.cached(secret) is None
    with statements() as seen:
        known.look_up(secret)
    assert [sql for sql in seen if not sql.startswith(("BEGIN", "SELECT"))] == []


def test_a_token_that_was_revoked_elsewhere_is_good_for_seconds_more_at_most(
    settings: Settings, database: Database
) -> None:
    clock, secret = Clock(), a_token(database)
    known = TokenCache(settings, database, clock=clock)
    known.look_up(secret)

    with database.begin() as session:
        revoke_named(session, "ci")
    clock.now += CACHED_S

    # A stream or a long poll looks again after RECHECK_S: it ends five seconds after the revocation at the latest.
    assert CACHED_S + RECHECK_S < 5
    assert known.cached(secret) is None
    assert known.look_up(secret) is None


def test_the_last_use_is_written_once_a_minute_by_one_process_or_by_several(
    settings: Settings, database: Database
) -> None:
    clock, secret = Clock(), a_token(database)
    processes = [TokenCache(settings, database, clock=clock) for _ in range(2)]

    def last_use() -> float | None:
        with database.read() as session:
            return session.scalars(select(TokenRow.last_used_at)).one()

    processes[0].look_up(secret)
    first = last_use()
    assert first is not None
    processes[1].look_up(secret)
    clock.now += USE_NOTED_EVERY_S - 1
    processes[0].look_up(secret)
    assert last_use() == first


def test_the_number_of_cached_tokens_is_bounded(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MOST_CACHED", 2)
    known = TokenCache(settings, database, clock=Clock())
    with database.begin() as session:
        secrets = [create_token(session, name=f"ci-{number}", scope=Scope.READ).secret for number in range(3)]

    for secret in secrets:
        known.look_up(secret)

    assert [known.cached(secret) is not None for secret in secrets] == [False, False, True]
