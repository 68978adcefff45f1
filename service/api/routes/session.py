"""The session of a browser: opened with a token, kept in a cookie that no script can read, and ended."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Body, Request, Response
from fastapi.openapi.models import Example

from cellgate.contract.api.audit import WhoamiAnswer
from cellgate.contract.api.tokens import SignIn
from service.api.actors import actor_of, entry_of
from service.api.context import Ctx
from service.api.cookies import drop_session, session_in, set_session
from service.api.csrf import check_no_other_page
from service.api.recording import RecordedChange
from service.api.responses import EVERY_POST, documented
from service.api.scopes import OPEN, ScopedRouter, Whose
from service.api.views import answer
from service.domain.errors import Unauthorized
from service.domain.tokens import is_session
from service.store.sessions import end_session, open_session
from service.store.tokens import UNKNOWN

router = ScopedRouter(prefix="/v1/session", tags=["tokens"])
DAY_S = 86_400
TEXT = {"type": "string"}
CREATED = {
    "description": "Signed in",
    "headers": {
        "Location": {"description": "URL that shows who is signed in.", "schema": TEXT},
        "Set-Cookie": {"description": "The session's cookie.", "schema": TEXT},
    },
}
WHOAMI = "/v1/whoami"
EXAMPLES: dict[str, Example] = {"token": Example(summary="Sign in with a token", value={"token": "cg_…"})}


@router.post(
    "",
    OPEN,
    Whose.SESSION,
    status_code=HTTPStatus.CREATED,
    responses={**documented(*EVERY_POST), int(HTTPStatus.CREATED): CREATED},
)
def sign_in(
    wanted: Annotated[SignIn, Body(openapi_examples=EXAMPLES)], request: Request, response: Response, context: Ctx
) -> WhoamiAnswer:
    """Open a session for a browser. It can do what the token can, and ends with it; no `Idempotency-Key`."""
    check_no_other_page(request)
    context.attempts.check(request)
    token = wanted.token.strip()
    principal = None if is_session(token) else context.tokens.look_up(token)
    if principal is None:
        context.attempts.note_wrong(request)
        raise Unauthorized(f"this token {UNKNOWN if is_session(token) else context.tokens.fault_of(token)}")
    request.state.principal = principal
    change = RecordedChange(context=context, actor=actor_of(request), entry=entry_of(request))
    with change.transaction() as session:
        opened = open_session(session, principal, token, lifetime_s=DAY_S * context.settings.session_days)
        change.record(session)
    set_session(request, response, opened)
    response.headers["Location"] = WHOAMI
    return answer(WhoamiAnswer, principal, principal_id=principal.id, session_expires_at=opened.expires_at)


@router.delete("", OPEN, Whose.SESSION, status_code=HTTPStatus.NO_CONTENT, responses=documented())
def sign_out(request: Request, response: Response, context: Ctx) -> None:
    """End the browser's session, if there is one."""
    check_no_other_page(request)
    secret = session_in(request)
    drop_session(request, response)
    principal = None if secret is None else context.tokens.look_up(secret)
    if secret is None or principal is None:
        return
    request.state.principal = principal
    change = RecordedChange(context=context, actor=actor_of(request), entry=entry_of(request))
    with change.transaction() as session:
        end_session(session, secret)
        change.record(session)
    context.tokens.forget()
