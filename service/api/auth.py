"""Who asks: a token's name and scope, or whoever sits at this machine where no token is asked for."""

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from cellgate.contract.api.tokens import Scope
from service.api.guesses import Guesses
from service.api.token_cache import TokenCache
from service.domain.errors import Unauthorized
from service.domain.tokens import WITHOUT_TOKEN, Principal, digest


class Authenticator:
    """Tells who asks.

    Args:
        asks_for_token: Whether a request without a token is refused. One with a wrong token always is.
    """

    def __init__(self, tokens: TokenCache, *, asks_for_token: bool) -> None:
        self._tokens = tokens
        self._asks_for_token = asks_for_token
        self._guesses = Guesses()

    async def of(self, request: Request) -> Principal:
        """Return who sends this request.

        Raises:
            Unauthorized: Nobody who may ask.
            TooManyWrongTokens: Its address has tried too many tokens.
        """
        secret = _bearer(request)
        if secret is not None:
            return self._tokens.cached(secret) or await self._look_up(request, secret)
        if self._asks_for_token:
            raise Unauthorized("send a token of this service: `Authorization: Bearer …`")
        return Principal(name=WITHOUT_TOKEN, scope=Scope.ADMIN)

    async def _look_up(self, request: Request, secret: str) -> Principal:
        address, tried = request.client.host if request.client else "", digest(secret)
        if not self._tokens.was_valid(secret):
            self._guesses.check(address)
        principal = None
        if not self._guesses.was_wrong(address, tried):
            principal = await run_in_threadpool(self._tokens.look_up, secret)
        if principal is None:
            self._guesses.add(address, tried)
            raise Unauthorized("this is no token of this service, or no longer: send another, or ask its admin for one")
        return principal


def _bearer(request: Request) -> str | None:
    """Return the token that was sent, or None where none was."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Unauthorized("the Authorization header holds no bearer token: send `Authorization: Bearer …`")
    return given.strip()
