"""Tokens over HTTP: create, list and revoke them; for admins only."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Body, Path, Response
from fastapi.openapi.models import Example

from cellgate.contract.api.tokens import NewTokenAnswer, Scope, TokenAnswer, TokenCreate
from cellgate.contract.identifiers import TOKEN_ID
from service.api.context import Ctx
from service.api.etags import tagged
from service.api.recording import Recorded
from service.api.responses import EVERY_POST, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.views import answer
from service.store.tokens import create_token, list_tokens, live_ids, revoke_token

router = ScopedRouter(prefix="/v1/tokens", tags=["tokens"])
TokenId = Annotated[str, Path(pattern=TOKEN_ID)]

EXAMPLES: dict[str, Example] = {
    "ci": Example(
        summary="A build that submits experiments, for 30 days",
        value={"name": "ci", "scope": "submit", "expires_in_s": 2_592_000},
    ),
    "wall": Example(summary="A dashboard on the wall, read only", value={"name": "wall", "scope": "read"}),
}
CREATED = {
    "description": "Created",
    "headers": {"Location": {"description": "URL of the token.", "schema": {"type": "string"}}},
}


@router.get("", Scope.ADMIN, **tagged())
def read_tokens(context: Ctx) -> list[TokenAnswer]:
    """List the tokens, newest first, including revoked and expired ones."""
    with context.database.read() as session:
        live = live_ids(session)
        return [answer(TokenAnswer, row, live=row.id in live) for row in list_tokens(session)]


@router.post(
    "",
    Scope.ADMIN,
    Whose.ANY,
    status_code=HTTPStatus.CREATED,
    responses={**documented(*EVERY_POST), int(HTTPStatus.CREATED): CREATED},
)
def issue_token(
    wanted: Annotated[TokenCreate, Body(openapi_examples=EXAMPLES)], change: Recorded, response: Response
) -> NewTokenAnswer:
    """Create a token. Only this answer shows it, so `Idempotency-Key` is not supported."""
    with change.transaction() as session:
        made = create_token(
            session,
            name=wanted.name,
            scope=wanted.scope,
            expires_in_s=wanted.expires_in_s,
            principal_id=wanted.principal,
        )
        row = made.row
        change.record(session, made=row.id, name=row.name, scope=row.scope, principal=row.principal_id)
    response.headers["Location"] = f"/v1/tokens/{made.row.id}"
    response.headers["Cache-Control"] = "no-store"
    return answer(NewTokenAnswer, made.row, live=True, token=made.secret)


@router.delete(
    "/{token_id}", Scope.ADMIN, Whose.ANY, status_code=HTTPStatus.NO_CONTENT, responses=documented(HTTPStatus.NOT_FOUND)
)
def withdraw_token(token_id: TokenId, change: Recorded) -> None:
    """Revoke a token. It is refused from then on, and what it still streams or waits for ends within five seconds."""
    with change.transaction() as session:
        row = revoke_token(session, token_id)
        change.record(session, name=row.name, principal=row.principal_id)
    change.context.tokens.forget()
