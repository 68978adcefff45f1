"""`cellgate token`: without a server, straight in the database."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.api.tokens import Scope
from service.store.audit import list_audit
from service.store.database import Database
from service.store.tokens import find_token

Cellgate = Callable[..., Any]


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The database that the environment names, once SQLite and once PostgreSQL."""
    monkeypatch.setenv("CELLGATE_DATABASE_URL", database_url)
    monkeypatch.setenv("CELLGATE_DATA_DIR", str(tmp_path / "var"))
    opened = Database(database_url)
    yield opened
    opened.dispose()


def test_a_token_is_made_listed_and_revoked(database: Database, cellgate: Cellgate) -> None:
    made = cellgate("token", "new", "ci", "--scope", "submit", "--expires", "30d")
    secret = made.out.strip()
    listed = cellgate("token", "ls")
    with database.read() as session:
        found = find_token(session, secret)
    revoked = cellgate("token", "revoke", "ci")

    assert (made.code, made.out) == (0, f"{secret}\n")
    assert "shown only now" in made.err
    assert secret not in made.err
    assert found is not None
    assert (found.name, found.scope) == ("ci", Scope.SUBMIT)
    assert found.expires_at == pytest.approx(found.created_at + 30 * 86_400, abs=1)
    [_, row] = listed.out.splitlines()
    assert row.split()[:5] == ["ci", found.principal_id, f"{secret[:11]}…", "submit", "until"]
    assert secret not in listed.out
    assert revoked.code == 0
    with database.read() as session:
        assert find_token(session, secret) is None
    assert cellgate("token", "ls").out.splitlines()[1].split()[4:] == ["revoked", "never"]


def test_a_rotated_token_is_the_same_owners_and_what_the_console_does_is_on_the_audit_log(
    database: Database, cellgate: Cellgate
) -> None:
    first = cellgate("token", "new", "ci", "--scope", "submit").out.strip()
    second = cellgate("token", "rotate", "ci", "--expires", "30d").out.strip()
    with database.read() as session:
        assert find_token(session, first) is None
        rotated = find_token(session, second)
    assert rotated is not None
    principal = str(rotated.principal_id)
    beside = cellgate("token", "new", "ci-laptop", "--scope", "read", "--principal", principal).out.strip()
    cellgate("token", "revoke", "ci")
    freed = cellgate("token", "new", "ci", "--scope", "submit").out.strip()
    with database.read() as session:
        tokens = [find_token(session, secret) for secret in (beside, freed)]
        entries = list_audit(session)

    assert [token is not None and token.principal_id == principal for token in tokens] == [True, False]
    assert (rotated.scope, rotated.expires_at is not None) == (Scope.SUBMIT, True)
    assert [entry.action for entry in reversed(entries)] == [
        "issue_token",
        "rotate_token",
        "issue_token",
        "withdraw_token",
        "issue_token",
    ]
    assert {(entry.principal, entry.address, entry.kind) for entry in entries} == {("console", None, "token")}
    assert "user" in entries[0].detail
    issued, replacing = entries[-1], entries[-2]
    assert (replacing.object_id, replacing.detail["replaced"]) == (rotated.id, issued.object_id)
    assert not [secret for secret in (first, second, beside, freed) if secret in str(entries[0].detail)]
    assert cellgate("token", "rotate", "nobody").code == 2
    assert cellgate("token", "new", "x", "--scope", "read", "--principal", "pri_none").code == 2


def test_what_cannot_be_made_or_revoked_is_refused_with_what_to_do(database: Database, cellgate: Cellgate) -> None:
    del database
    assert cellgate("token", "new", "ci", "--scope", "read").code == 0

    refused = {
        "a live token is named 'ci' already": cellgate("token", "new", "ci", "--scope", "read"),
        "stands for callers without a token of their own": cellgate("token", "new", "local", "--scope", "read"),
        "expected up to 80 letters": cellgate("token", "new", "two words", "--scope", "read"),
        "expected a time like 30d, 12h or 45m": cellgate(
            "token", "new", "x", "--scope", "read", "--expires", "3 weeks"
        ),
        "at most 3650d": cellgate("token", "new", "x", "--scope", "read", "--expires", "9999d"),
        "`cellgate token ls` lists them": cellgate("token", "revoke", "nobody"),
    }

    for reason, outcome in refused.items():
        assert (outcome.code, outcome.out) == (2, ""), reason
        assert reason in outcome.err
    assert cellgate("token", "revoke", "ci").code == 0
    assert cellgate("token", "revoke", "ci").code == 2


def test_a_database_that_was_never_migrated_is_reported(
    cellgate: Cellgate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CELLGATE_DATABASE_URL", raising=False)

    refused = cellgate("token", "new", "ci", "--scope", "admin", "--data-dir", tmp_path)

    assert (refused.code, refused.out) == (2, "")
    assert "run `cellgate migrate`" in refused.err


def test_beyond_this_machine_up_says_how_to_make_the_first_token(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CELLGATE_")}
    command = [
        sys.executable,
        "-m",
        "cellgate",
        "up",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path),
    ]

    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert "cellgate token new NAME --scope admin" in refused.stderr
