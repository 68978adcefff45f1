"""Routes that declare the scope they need, and whose things they change, beside their path: none comes without."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope as Connection

from cellgate.contract.api.tokens import Scope
from cellgate.contract.identifiers import ULID

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
# The scope of a route that answers without a token.
OPEN: Final = None
ROW_ID = re.compile(rf"^[a-z]{{2,3}}_{ULID}\Z")


class Whose(StrEnum):
    """Whose things a route may read or change for a caller whose scope suffices."""

    # Whatever its owner: all that only reads, and what only admins may do.
    ANY = "any"
    # What the path names: with the scope `submit` the caller's own, with `admin` any.
    OWN = "own"
    # It makes a thing, which belongs to the caller; what it is made from may belong to anybody.
    NEW = "new"
    # The caller's own session, which a cookie names.
    SESSION = "the caller's session"
    # It makes a thing; where the body names an experiment to be a step of, that follows the rule of `OWN`.
    NEW_OR_OWN_STEP = "new, or a step of an own experiment"


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What a request needs.

    Args:
        scope: The least that its token must allow; None: it needs no token.
        whose: Whose things it may change.
        operation: Name of its route.
        named: Name and value of its path's first parameter; the value is as it was sent.
    """

    scope: Scope | None
    whose: Whose
    operation: str = "none"
    named: tuple[str, str] | None = None

    @property
    def row_id(self) -> str | None:
        """The thing that its path names; None: it names none, or what it names is no id."""
        return self.named[1] if self.named is not None and ROW_ID.match(self.named[1]) else None


# A token is needed to learn that a path or a method does not exist.
UNKNOWN_ROUTE: Final = Needed(scope=Scope.READ, whose=Whose.ANY)


class ScopedRouter:
    """The routes of one resource, each with the scope that it needs and whose things it changes.

    Args:
        prefix: Start of every path.
        tags: Tags of every operation in the OpenAPI document.
    """

    def __init__(self, *, prefix: str = "", tags: Sequence[str] = ()) -> None:
        self.router = APIRouter(prefix=prefix, tags=list(tags))
        self.scopes: dict[str, Scope | None] = {}
        self.whose: dict[str, Whose] = {}

    @property
    def routes(self) -> list[APIRoute]:
        """Every route, in the order in which requests are matched."""
        return [route for route in self.router.routes if isinstance(route, APIRoute)]

    def get(self, path: str, scope: Scope | None, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator that adds a GET route.

        Args:
            path: Below the router's prefix; `{name}` is a path parameter.
            scope: The least that the request's token must allow; `OPEN`: no token is needed.
            options: Of FastAPI's `add_api_route`.
        """
        return self._add("GET", path, scope, Whose.ANY, options)

    def head(self, path: str, scope: Scope | None, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a HEAD route; arguments as for `get`."""
        return self._add("HEAD", path, scope, Whose.ANY, options)

    def post(self, path: str, scope: Scope | None, whose: Whose, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator that adds a POST route.

        Args:
            path: As for `get`; with `OWN`, its first parameter is the id of the thing that is changed.
            scope: As for `get`.
            whose: Whose things it changes; it is checked before the route is called.
            options: As for `get`.
        """
        return self._add("POST", path, scope, whose, options)

    def put(self, path: str, scope: Scope, whose: Whose, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a PUT route; arguments as for `post`."""
        return self._add("PUT", path, scope, whose, options)

    def patch(self, path: str, scope: Scope, whose: Whose, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a PATCH route; arguments as for `post`."""
        return self._add("PATCH", path, scope, whose, options)

    def delete(self, path: str, scope: Scope | None, whose: Whose, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a DELETE route; arguments as for `post`."""
        return self._add("DELETE", path, scope, whose, options)

    def _add(
        self, method: str, path: str, scope: Scope | None, whose: Whose, options: dict[str, Any]
    ) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            self.router.add_api_route(path, endpoint, methods=[method], **options)
            self.scopes[self.routes[-1].name] = scope
            self.whose[self.routes[-1].name] = whose
            return endpoint

        return add


class ScopeTable:
    """What each request needs, by the route that will answer it.

    Args:
        routers: In the order in which the app includes them.
    """

    def __init__(self, routers: Iterable[ScopedRouter]) -> None:
        self._routers = list(routers)
        self._routes = [
            (route, router.scopes[route.name], router.whose[route.name])
            for router in self._routers
            for route in router.routes
        ]

    def include_in(self, app: FastAPI) -> None:
        """Let the app answer every route."""
        for router in self._routers:
            app.include_router(router.router)

    def of_request(self, connection: Connection) -> Needed:
        """Return what the request needs.

        Args:
            connection: ASGI scope of the request.
        """
        for route, scope, whose in self._routes:
            # The router's own matching decides, so that the two can never differ; most routes have another method.
            if connection["method"] not in (route.methods or ()):
                continue
            match, found = route.matches(connection)
            if match is Match.FULL:
                first = next(iter(found["path_params"].items()), None)
                named = None if first is None else (first[0], str(first[1]))
                return Needed(scope=scope, whose=whose, operation=route.name, named=named)
        return UNKNOWN_ROUTE

    def of_operation(self, operation_id: str) -> Scope | None:
        """Return the scope of an operation of the OpenAPI document; None where it needs no token."""
        return next(router.scopes[operation_id] for router in self._routers if operation_id in router.scopes)
