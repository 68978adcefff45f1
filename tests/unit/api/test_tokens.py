"""Tokens with names and scopes: what each allows, for how long, and what responses show of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from cellgate.contract.api.tokens import Scope
from service.domain.tokens import digest
from service.settings import Settings
from service.store.paging import PageOf
from service.store.runs import list_runs
from service.store.summaries import list_experiments
from service.store.tables import TokenRow
from service.store.tokens import create_token, revoke_named
from tests.api_client import Api, assert_refused, running_api

BOOTSTRAP = "correct-horse-battery-staple-and-cart"
NO_TOKEN = "cg_" + "x" * 43


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Api]:
    """The app, asking for a token."""
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": BOOTSTRAP})) as app:
        yield app


def a_token(api: Api, scope: Scope = Scope.ADMIN, name: str = "ci", expires_in_s: float | None = None) -> str:
    with api.database.begin() as session:
        return create_token(session, name=name, scope=scope, expires_in_s=expires_in_s).secret


def ask(api: Api, secret: str, method: str = "GET", path: str = "/v1/experiments", **more: Any) -> Any:
    return api.client.request(method, path, headers={"Authorization": f"Bearer {secret}"}, **more)


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        (Scope.READ, {"look": 200, "submit": 403, "tokens": 403, "make": 403}),
        (Scope.SUBMIT, {"look": 200, "submit": 202, "tokens": 403, "make": 403}),
        (Scope.ADMIN, {"look": 200, "submit": 202, "tokens": 200, "make": 201}),
    ],
)
def test_each_scope_opens_what_it_says_and_what_those_before_it_do(
    guarded: Api, scope: Scope, opens: dict[str, int]
) -> None:
    secret = a_token(guarded, scope)

    found = {
        "look": ask(guarded, secret),
        "submit": ask(guarded, secret, "POST", "/v1/datasets", json={"name": "made", "source": guarded.file()}),
        "tokens": ask(guarded, secret, path="/v1/tokens"),
        "make": ask(guarded, secret, "POST", "/v1/tokens", json={"name": "other", "scope": "read"}),
    }

    assert {what: answer.status_code for what, answer in found.items()} == opens


def test_a_scope_that_is_missing_is_named(guarded: Api) -> None:
    answer = ask(guarded, a_token(guarded, Scope.READ), "POST", "/v1/experiments", json={})

    problem = assert_refused(answer, status=403, code="missing_scope", pointers=[])
    assert (problem["scope"], "'ci' has read" in problem["detail"]) == ("submit", True)
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="submit"'


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/runs", "read"),
        ("HEAD", "/v1/runs", "read"),
        ("GET", "/openapi.json", "read"),
        ("GET", "/v1/workers", "read"),
        ("GET", "/v1/experiments/exp_1/gate", "read"),
        ("POST", "/v1/experiments", "submit"),
        ("POST", "/v1/runs/run_1/cancel", "submit"),
        ("PUT", "/v1/uploads/gate.csv", "submit"),
        ("GET", "/v1/tokens", "admin"),
        ("DELETE", "/v1/tokens/tok_1", "admin"),
        ("GET", "/v1/webhooks", "admin"),
        ("POST", "/v1/webhooks/wh_1/test", "admin"),
        ("POST", "/v1/workers/w/drain", "admin"),
        ("POST", "/v1/experiments/exp_1/gate/waivers", "admin"),
        ("POST", "/v1/experiments/exp_1/decision", "admin"),
    ],
)
def test_looking_needs_read_acting_submit_and_ruling_admin(guarded: Api, method: str, path: str, scope: str) -> None:
    enough = ask(guarded, a_token(guarded, Scope(scope), "enough"), method, path)
    missing = ask(guarded, a_token(guarded, Scope.READ, "read"), method, path)

    assert enough.status_code != 403
    if scope == "read":
        assert missing.status_code != 403
    else:
        assert (missing.status_code, missing.json()["scope"]) == (403, scope)


def test_the_scope_is_checked_before_the_body_is_read(guarded: Api) -> None:
    answer = ask(guarded, a_token(guarded, Scope.READ), "POST", "/v1/jobs", content=b"\x00 no JSON")

    assert_refused(answer, status=403, code="missing_scope", pointers=[])


def test_what_is_submitted_belongs_to_the_name_of_the_token(guarded: Api) -> None:
    guarded.client.headers["Authorization"] = f"Bearer {a_token(guarded, Scope.SUBMIT, 'team-a')}"
    guarded.experiment()

    with guarded.database.read() as session:
        owners = {run.owner for run in list_runs(session, PageOf(limit=500))}
        experiments = {row.experiment.owner for row in list_experiments(session)}
    assert (owners, experiments) == ({"team-a"}, {"team-a"})


def test_a_new_token_is_shown_once_works_and_is_kept_nowhere(guarded: Api) -> None:
    answer = ask(guarded, BOOTSTRAP, "POST", "/v1/tokens", json={"name": "ci", "scope": "read", "expires_in_s": 3600})

    made = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/v1/tokens/{made['id']}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert ask(guarded, made["token"]).status_code == 200
    [listed] = ask(guarded, BOOTSTRAP, path="/v1/tokens").json()
    good_for = datetime.fromisoformat(listed["expires_at"]) - datetime.fromisoformat(listed["created_at"])
    assert good_for.total_seconds() == pytest.approx(3600, abs=1)
    assert (listed["live"], listed["scope"], "token" in listed) == (True, "read", False)
    assert listed["prefix"] == made["token"][:11]
    with guarded.database.read() as session:
        row = session.scalars(select(TokenRow)).one()
    assert row.hash == digest(made["token"])
    kept = b"".join(path.read_bytes() for path in guarded.settings.data_dir.glob("cellgate.db*"))
    assert row.hash.encode() in kept
    assert made["token"].encode() not in kept


def test_no_token_and_no_authorization_is_ever_logged(guarded: Api) -> None:
    secret = a_token(guarded, Scope.READ)
    ask(guarded, secret)
    ask(guarded, secret, "POST", "/v1/datasets", json={})
    ask(guarded, NO_TOKEN)
    ask(guarded, BOOTSTRAP, "POST", "/v1/tokens", json={"name": "other", "scope": "read"})

    assert len([line for line in guarded.logs if line["event"] == "request"]) == 4
    assert not [word for word in (secret, NO_TOKEN, BOOTSTRAP, "Bearer") if word in str(guarded.logs)]
    assert {line["principal"] for line in guarded.logs if line["event"] == "request"} == {"ci", None, "token"}


def test_a_revoked_token_opens_nothing_at_once(guarded: Api) -> None:
    made = ask(guarded, BOOTSTRAP, "POST", "/v1/tokens", json={"name": "ci", "scope": "read"}).json()
    assert ask(guarded, made["token"]).status_code == 200

    revoked = ask(guarded, BOOTSTRAP, "DELETE", f"/v1/tokens/{made['id']}")

    assert (revoked.status_code, revoked.content) == (204, b"")
    assert_refused(ask(guarded, made["token"]), status=401, code="unauthorized", pointers=[])
    assert ask(guarded, BOOTSTRAP, "DELETE", f"/v1/tokens/{made['id']}").status_code == 204
    [listed] = ask(guarded, BOOTSTRAP, path="/v1/tokens").json()
    assert (listed["live"], listed["revoked_at"] is not None) == (False, True)


def test_an_expired_token_opens_nothing_and_its_name_is_free(guarded: Api) -> None:
    secret = a_token(guarded, expires_in_s=-1)

    assert ask(guarded, secret).status_code == 401
    [listed] = ask(guarded, BOOTSTRAP, path="/v1/tokens").json()
    assert (listed["live"], listed["revoked_at"]) == (False, None)
    assert ask(guarded, a_token(guarded)).status_code == 200


def test_a_name_is_taken_until_its_token_is_revoked(guarded: Api) -> None:
    a_token(guarded)
    body = {"name": "ci", "scope": "read"}

    taken = ask(guarded, BOOTSTRAP, "POST", "/v1/tokens", json=body)
    with guarded.database.begin() as session:
        revoke_named(session, "ci")

    assert_refused(taken, status=409, code="conflict", pointers=[])
    assert ask(guarded, BOOTSTRAP, "POST", "/v1/tokens", json=body).status_code == 201


def test_every_mistake_about_a_new_token_is_reported(guarded: Api) -> None:
    wrong = {"name": "two words", "scope": "root", "expires_in_s": 0}
    answer = ask(guarded, BOOTSTRAP, "POST", "/v1/tokens", json=wrong)
    reserved = ask(guarded, BOOTSTRAP, "POST", "/v1/tokens", json={"name": "local", "scope": "read"})

    assert_refused(answer, status=422, code="invalid_request", pointers=["/name", "/scope", "/expires_in_s"])
    assert_refused(reserved, status=422, code="invalid_spec", pointers=["/name"])


def test_what_was_never_made_cannot_be_revoked(guarded: Api) -> None:
    answer = ask(guarded, BOOTSTRAP, "DELETE", "/v1/tokens/tok_" + "0" * 26)

    assert_refused(answer, status=404, code="not_found", pointers=[])


def test_the_last_use_is_noted(guarded: Api) -> None:
    secret = a_token(guarded)
    with guarded.database.begin() as session:
        session.execute(update(TokenRow).values(last_used_at=0.0))

    [listed] = ask(guarded, secret, path="/v1/tokens").json()

    assert (datetime.now(UTC) - datetime.fromisoformat(listed["last_used_at"])).total_seconds() < 300


def test_a_right_token_is_accepted_however_many_wrong_ones_came_before(guarded: Api) -> None:
    tried = {ask(guarded, f"cg_{number:043}").status_code for number in range(30)}

    assert tried == {401}
    assert ask(guarded, a_token(guarded)).status_code == 200


@pytest.mark.parametrize("given", [b"cg_\x00" + b"x" * 42, b"cg_" + b"\xff" * 43, b"cg_" + b"x" * 100_000])
def test_what_cannot_be_a_token_is_refused_like_any_other(guarded: Api, given: bytes) -> None:
    answer = guarded.client.get("/v1/experiments", headers={b"Authorization": b"Bearer " + given})

    assert_refused(answer, status=401, code="unauthorized", pointers=[])
