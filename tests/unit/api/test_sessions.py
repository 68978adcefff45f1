"""Sessions of browsers: a cookie that scripts cannot read, that other pages cannot use, and that ends with it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy import select, update

from cellgate.contract.api.tokens import Scope
from service.api import attempts
from service.domain.errors import TooManyAttempts
from service.domain.tokens import digest
from service.settings import Settings
from service.store.tables import SessionRow
from service.store.tokens import create_token, revoke_named
from tests.api_client import Api, assert_refused, get, running_api

BOOTSTRAP = "correct-horse-battery-staple-and-cart"
OWN_PAGE = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
COOKIE = "cellgate_session"
JSON = "application/json"


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Api]:
    """The app, asking for a token."""
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": BOOTSTRAP})) as app:
        yield app


def token_of(api: Api, name: str, scope: Scope = Scope.SUBMIT, expires_in_s: float | None = None) -> str:
    with api.database.begin() as session:
        return create_token(session, name=name, scope=scope, expires_in_s=expires_in_s).secret


def sign_in(api: Api, token: str, **headers: str) -> Any:
    """Sign in as the page does; the client keeps the cookie."""
    return api.client.post("/v1/session", json={"token": token}, headers={**OWN_PAGE, **headers})


def cookie_of(api: Api) -> dict[str, str]:
    """The header with which a browser sends its session."""
    return {"Cookie": f"{COOKIE}={api.client.cookies[COOKIE]}"}


def test_a_token_opens_a_session_that_can_do_what_the_token_can(guarded: Api) -> None:
    opened = sign_in(guarded, token_of(guarded, "anna"))

    assert opened.status_code == 201
    me = get(guarded, "/v1/whoami")
    assert (me["name"], me["scope"]) == ("anna", "submit")
    assert me == opened.json()
    assert me["session_expires_at"] is not None
    made = guarded.client.post("/v1/datasets", json={"name": "d", "source": guarded.file()}, headers=OWN_PAGE)
    assert (made.status_code, made.json()["owner_id"]) == (202, me["principal_id"])
    assert_refused(guarded.client.get("/v1/audit"), status=403, code="missing_scope", pointers=[])


def test_the_token_of_the_settings_opens_a_session_too(guarded: Api) -> None:
    assert sign_in(guarded, f" {BOOTSTRAP} ").json()["name"] == "token"
    assert get(guarded, "/v1/whoami")["scope"] == "admin"


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(guarded: Api) -> None:
    token = token_of(guarded, "anna")

    plain = sign_in(guarded, token).headers["Set-Cookie"]
    behind_tls = sign_in(guarded, token, Origin="https://localhost").headers["Set-Cookie"]

    assert re.fullmatch(
        rf"{COOKIE}=cgs_[\w-]{{43}}; HttpOnly; Max-Age=(604800|604799); Path=/; SameSite=strict", plain
    ), plain
    assert behind_tls.startswith(f"__Host-{COOKIE}=cgs_")
    assert behind_tls.endswith("; Path=/; SameSite=strict; Secure")
    with guarded.database.read() as session:
        stored = session.scalars(select(SessionRow)).all()
    assert digest(plain.split("=", 1)[1].split(";")[0]) in {row.hash for row in stored}
    assert token not in str([vars(row) for row in stored])


def test_two_services_of_one_host_have_a_cookie_each(guarded: Api) -> None:
    answer = sign_in(guarded, BOOTSTRAP, Host="localhost:8452", Origin="http://localhost:8452")

    assert answer.headers["Set-Cookie"].startswith("cellgate_session_8452=")


@pytest.mark.parametrize("wrong", ["x", "cg_" + "A" * 43, "cgs_" + "A" * 43, BOOTSTRAP + "x", "häuser"])
def test_a_wrong_token_says_so_and_opens_nothing(guarded: Api, wrong: str) -> None:
    answer = sign_in(guarded, wrong)

    problem = assert_refused(answer, status=401, code="unauthorized", pointers=[])
    assert problem["detail"] == "this token is none of this server's"
    assert "Set-Cookie" not in answer.headers


def test_text_that_no_token_can_be_is_refused_as_a_wrong_request(guarded: Api) -> None:
    for body in (b'{"token": "\\ud800"}', b'{"token": "\\u0000"}', b'{"token": ""}', b'{"token": 1}', b"[]"):
        answer = guarded.client.post("/v1/session", content=body, headers={**OWN_PAGE, "Content-Type": JSON})
        assert (answer.status_code, body) == (422, body)


def test_a_revoked_token_says_that_it_was_revoked(guarded: Api) -> None:
    token = token_of(guarded, "anna")
    with guarded.database.begin() as session:
        revoke_named(session, "anna")

    assert sign_in(guarded, token).json()["detail"] == "this token was revoked"


@pytest.mark.parametrize(
    "body", [{"token": "long-secret" * 100}, {"token": ["a-secret"]}, {"token": {"a": "a-secret"}}]
)
def test_no_answer_repeats_a_token(guarded: Api, body: dict[str, Any]) -> None:
    answer = guarded.client.post("/v1/session", json=body, headers=OWN_PAGE)

    assert_refused(answer, status=422, code="invalid_request", pointers=["/token"])
    assert "secret" not in answer.text


def test_an_address_that_tries_wrong_tokens_has_to_wait(guarded: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST_WRONG", 3)
    for _ in range(3):
        assert sign_in(guarded, "wrong").status_code == 401

    refused = sign_in(guarded, BOOTSTRAP)

    assert_refused(refused, status=429, code="too_many_attempts", pointers=[])
    assert 290 <= int(refused.headers["Retry-After"]) <= 300
    # A bearer token is no attempt to sign in.
    assert guarded.client.get("/v1/whoami", headers={"Authorization": f"Bearer {BOOTSTRAP}"}).status_code == 200


def test_after_the_period_the_address_may_try_again() -> None:
    now = 0.0
    counted = attempts.Attempts(clock=lambda: now)
    sender = from_address("2001:db8::1")
    for _ in range(attempts.MOST_WRONG):
        counted.note_wrong(sender)

    with pytest.raises(TooManyAttempts):
        counted.check(from_address("2001:db8::2"))
    counted.check(from_address("2001:db8:0:1::1"))
    now = attempts.PERIOD_S
    counted.check(sender)


def from_address(host: str) -> Request:
    """A request from an address."""
    return Request({"type": "http", "client": (host, 1), "headers": []})


def test_signing_out_ends_the_session_at_once(guarded: Api) -> None:
    sign_in(guarded, token_of(guarded, "anna"))
    cookie = cookie_of(guarded)

    answer = guarded.client.delete("/v1/session", headers=OWN_PAGE)

    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert dict(guarded.client.cookies) == {}
    problem = assert_refused(
        guarded.client.get("/v1/whoami", headers=cookie), status=401, code="session_ended", pointers=[]
    )
    assert problem["detail"] == "the session was signed out, or has expired: sign in again"
    assert guarded.client.delete("/v1/session").status_code == 204


def test_revoking_the_token_ends_its_sessions_at_once(guarded: Api) -> None:
    sign_in(guarded, token_of(guarded, "anna"))
    token_id = get(guarded, "/v1/whoami")["token_id"]
    admin = {"Authorization": f"Bearer {BOOTSTRAP}"}

    assert guarded.client.delete(f"/v1/tokens/{token_id}", headers=admin).status_code == 204

    problem = assert_refused(guarded.client.get("/v1/whoami"), status=401, code="session_ended", pointers=[])
    assert problem["detail"] == "the session has ended: its token was revoked: sign in again"


def test_another_token_in_the_settings_ends_the_sessions_of_the_first(guarded: Api, settings: Settings) -> None:
    sign_in(guarded, BOOTSTRAP)
    cookie = cookie_of(guarded)
    changed = Settings.model_validate({"data_dir": settings.data_dir, "token": BOOTSTRAP[::-1]})

    with running_api(changed) as restarted:
        answer = restarted.client.get("/v1/whoami", headers=cookie)

    assert answer.json()["detail"] == "the session has ended: the settings have another token: sign in again"


def test_a_session_ends_with_its_time_and_never_after_its_token(guarded: Api) -> None:
    short = sign_in(guarded, token_of(guarded, "anna", expires_in_s=60))
    assert re.search(r"Max-Age=(59|60);", short.headers["Set-Cookie"])
    with guarded.database.begin() as session:
        session.execute(update(SessionRow).values(expires_at=SessionRow.created_at - 1))

    assert guarded.client.get("/v1/whoami").json()["detail"] == "the session has expired: sign in again"
    sign_in(guarded, BOOTSTRAP)
    with guarded.database.read() as session:
        assert len(session.scalars(select(SessionRow)).all()) == 1


@pytest.mark.parametrize(
    ("headers", "wrong"),
    [
        ({}, "Origin"),
        ({"Origin": "http://localhost.evil.example"}, "Origin"),
        ({"Origin": "null"}, "Origin"),
        ({"Origin": "http://localhost:8452"}, "Origin"),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"}, "Sec-Fetch-Site"),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}, "Sec-Fetch-Site"),
        ({"Sec-Fetch-Site": "none"}, "Sec-Fetch-Site"),
    ],
)
def test_a_session_changes_nothing_for_another_page(guarded: Api, headers: dict[str, str], wrong: str) -> None:
    sign_in(guarded, token_of(guarded, "anna"))
    body = {"name": "d", "source": guarded.file()}

    answer = guarded.client.post("/v1/datasets", json=body, headers=headers)

    assert_refused(answer, status=403, code="foreign_caller", pointers=[f"#header/{wrong}"])
    assert set(guarded.counts().values()) == {0}


@pytest.mark.parametrize("headers", [OWN_PAGE, {"Origin": "https://localhost"}, {"Sec-Fetch-Site": "same-origin"}])
def test_a_session_changes_things_for_the_services_own_page(guarded: Api, headers: dict[str, str]) -> None:
    sign_in(guarded, token_of(guarded, "anna"))

    answer = guarded.client.post("/v1/datasets", json={"name": "d", "source": guarded.file()}, headers=headers)

    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
    ],
)
def test_a_session_reads_nothing_for_another_page(guarded: Api, headers: dict[str, str], status: int) -> None:
    sign_in(guarded, token_of(guarded, "anna"))

    answer = guarded.client.get("/v1/experiments", headers=headers)

    assert answer.status_code == status
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_another_page_signs_nobody_in_or_out(guarded: Api) -> None:
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}

    assert sign_in(guarded, BOOTSTRAP, **foreign).status_code == 403
    sign_in(guarded, BOOTSTRAP)
    assert guarded.client.delete("/v1/session", headers=foreign).status_code == 403
    assert guarded.client.get("/v1/whoami").status_code == 200


def test_a_bearer_token_wins_over_the_cookie_and_needs_no_origin(guarded: Api) -> None:
    sign_in(guarded, token_of(guarded, "reader", Scope.READ))
    admin = {"Authorization": f"Bearer {BOOTSTRAP}"}

    assert guarded.client.get("/v1/whoami", headers=admin).json()["session_expires_at"] is None
    made = guarded.client.post("/v1/datasets", json={"name": "d", "source": guarded.file()}, headers=admin)
    assert made.status_code == 202


def test_a_session_is_no_bearer_token(guarded: Api) -> None:
    sign_in(guarded, BOOTSTRAP)
    secret = guarded.client.cookies[COOKIE]
    guarded.client.cookies.clear()

    assert guarded.client.get("/v1/whoami", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_an_old_cookie_keeps_nobody_out_where_no_token_is_needed(api: Api) -> None:
    cookie = {"Cookie": f"{COOKIE}=cgs_{'A' * 43}"}

    assert api.client.get("/v1/whoami", headers=cookie).json()["name"] == "local"
    assert api.client.post("/v1/datasets", json={}, headers=cookie).status_code == 422


def test_signing_in_and_out_are_entries_of_the_audit_log(guarded: Api) -> None:
    token = token_of(guarded, "anna")
    sign_in(guarded, token)
    guarded.client.delete("/v1/session", headers=OWN_PAGE)
    sign_in(guarded, "wrong")

    entries = guarded.client.get("/v1/audit", headers={"Authorization": f"Bearer {BOOTSTRAP}"}).json()["items"]

    assert [(entry["action"], entry["principal"]) for entry in entries] == [("sign_out", "anna"), ("sign_in", "anna")]
    assert token not in str(entries)
