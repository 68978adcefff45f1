"""Tokens where they are kept: once on SQLite and once on PostgreSQL, made by several at once, gone for all."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text

from cellgate.contract.api.tokens import Scope
from service.app import create_app
from service.domain.errors import Conflict
from service.settings import Settings
from service.store.database import Database, migrate
from service.store.tables import TokenRow
from service.store.tokens import create_token, find_token, has_live_admin, revoke_named
from tests.api_client import RecordingNotifier, running_api

BOOTSTRAP = "correct-horse-battery-staple-and-cart"
MAKERS = 8


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database."""
    opened = Database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def settings(database: Database, database_url: str, tmp_path: Path) -> Settings:
    """Settings of a service that asks for a token."""
    del database
    return Settings.model_validate(
        {"data_dir": tmp_path / "var", "database_url": database_url, "token": BOOTSTRAP, "port": 0}
    )


def ask(client: TestClient, secret: str, method: str = "GET", path: str = "/v1/runs", **more: Any) -> Any:
    return client.request(method, path, headers={"Authorization": f"Bearer {secret}"}, **more)


def test_a_token_is_made_used_and_revoked_over_http(settings: Settings) -> None:
    with running_api(settings) as api:
        made = ask(api.client, BOOTSTRAP, "POST", "/v1/tokens", json={"name": "ci", "scope": "submit"}).json()
        assert ask(api.client, made["token"]).status_code == 200
        [listed] = ask(api.client, BOOTSTRAP, path="/v1/tokens").json()
        assert ask(api.client, BOOTSTRAP, "DELETE", f"/v1/tokens/{made['id']}").status_code == 204
        refused = ask(api.client, made["token"])

    assert (listed["live"], listed["last_used_at"] is not None) == (True, True)
    assert refused.status_code == 401


def test_of_several_who_make_a_token_of_one_name_one_does(database: Database) -> None:
    together = Barrier(MAKERS)

    def make(_: int) -> bool:
        together.wait()
        try:
            with database.begin() as session:
                create_token(session, name="ci", scope=Scope.READ)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(MAKERS) as pool:
        made = list(pool.map(make, range(MAKERS)))

    assert sorted(made) == [False] * (MAKERS - 1) + [True]
    with database.read() as session:
        assert len(session.scalars(select(TokenRow)).all()) == 1


def test_a_token_is_good_until_it_expires_or_is_revoked_by_the_clock_of_the_database(database: Database) -> None:
    with database.begin() as session:
        lasting = create_token(session, name="lasting", scope=Scope.ADMIN, expires_in_s=3600).secret
        over = create_token(session, name="over", scope=Scope.ADMIN, expires_in_s=-0.001).secret
        revoked = create_token(session, name="revoked", scope=Scope.ADMIN).secret
        revoke_named(session, "revoked")

    with database.read() as session:
        good = [find_token(session, secret) for secret in (lasting, over, revoked)]
        assert [row.name if row else None for row in good] == ["lasting", None, None]
        assert has_live_admin(session)
    with database.begin() as session:
        session.execute(text("UPDATE tokens SET expires_at = created_at"))
    with database.read() as session:
        assert not has_live_admin(session)


def test_tokens_that_begin_alike_are_distinguished(database: Database) -> None:
    with database.begin() as session:
        first, second = (create_token(session, name=name, scope=Scope.READ).secret for name in ("a", "b"))
        session.execute(text("UPDATE tokens SET prefix = :prefix"), {"prefix": second[:11]})

    with database.read() as session:
        found = find_token(session, second)
        assert found is not None
        assert found.name == "b"
        assert find_token(session, second[:11] + first[11:]) is None


def test_a_table_of_tokens_that_is_gone_is_a_503_and_not_a_wrong_token(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    settings = Settings.model_validate({"data_dir": folder, "token": BOOTSTRAP})
    migrate(settings.database)
    app = create_app(settings, notifier=RecordingNotifier())
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        with Database(settings.database).begin() as session:
            session.execute(text("ALTER TABLE tokens RENAME TO lost"))
        answer = ask(client, "cg_" + "x" * 43)

    assert (answer.status_code, answer.json()["code"]) == (503, "database_damaged")
