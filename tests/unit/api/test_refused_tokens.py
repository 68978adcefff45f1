"""A token that is refused is told why: only who holds its secret can ask."""

import pytest
from sqlalchemy import update

from cellgate.contract.api.tokens import Scope
from service.store.database import now_s
from service.store.tables import TokenRow
from service.store.tokens import create_token, revoke_token
from tests.api_client import Api, assert_refused

FOREIGN = "cg_" + "a" * 60


def said(api: Api, secret: str) -> str:
    answer = api.client.get("/v1/experiments", headers={"Authorization": f"Bearer {secret}"})
    problem = assert_refused(answer, status=401, code="unauthorized", pointers=[])
    return str(problem["detail"])


@pytest.mark.parametrize("reused", [False, True])
def test_an_expired_token_is_told_as_expired(api: Api, *, reused: bool) -> None:
    with api.database.begin() as session:
        made = create_token(session, name="anna", scope=Scope.READ, expires_in_s=3600)
        session.execute(update(TokenRow).values(expires_at=now_s() - 1))
    if reused:
        with api.database.begin() as session:
            create_token(session, name="anna", scope=Scope.READ)

    assert said(api, made.secret).startswith("the bearer token has expired")


def test_a_revoked_token_is_told_as_revoked_and_another_as_none_of_ours(api: Api) -> None:
    with api.database.begin() as session:
        made = create_token(session, name="anna", scope=Scope.READ)
        revoke_token(session, made.row.id)

    assert said(api, made.secret).startswith("the bearer token was revoked")
    assert said(api, FOREIGN).startswith("the bearer token is none of this server's")
    assert said(api, made.secret[:-1] + ("a" if made.secret[-1] != "a" else "b")).startswith(
        "the bearer token is none of this server's"
    )
