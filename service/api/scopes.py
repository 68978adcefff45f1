"""Routes that declare the scope they need beside their path, so that no route can be added without one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope as Connection

from cellgate.contract.api.tokens import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
# The scope of a route that answers without a token.
OPEN: Final = None
# A token is needed to learn that a path or a method does not exist.
UNKNOWN_ROUTE: Final = Scope.READ


class ScopedRouter:
    """The routes of one resource, each with the scope that it needs.

    Args:
        prefix: Start of every path.
        tags: Tags of every operation in the OpenAPI document.
    """

    def __init__(self, *, prefix: str = "", tags: Sequence[str] = ()) -> None:
        self.router = APIRouter(prefix=prefix, tags=list(tags))
        self.scopes: dict[str, Scope | None] = {}

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
        return self._add("GET", path, scope, options)

    def head(self, path: str, scope: Scope | None, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a HEAD route; arguments as for `get`."""
        return self._add("HEAD", path, scope, options)

    def post(self, path: str, scope: Scope | None, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a POST route; arguments as for `get`."""
        return self._add("POST", path, scope, options)

    def put(self, path: str, scope: Scope | None, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a PUT route; arguments as for `get`."""
        return self._add("PUT", path, scope, options)

    def patch(self, path: str, scope: Scope | None, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a PATCH route; arguments as for `get`."""
        return self._add("PATCH", path, scope, options)

    def delete(self, path: str, scope: Scope | None, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Add a DELETE route; arguments as for `get`."""
        return self._add("DELETE", path, scope, options)

    def _add(
        self, method: str, path: str, scope: Scope | None, options: dict[str, Any]
    ) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            self.router.add_api_route(path, endpoint, methods=[method], **options)
            self.scopes[self.routes[-1].name] = scope
            return endpoint

        return add


class ScopeTable:
    """The scope that each request needs, by the route that will answer it.

    Args:
        routers: In the order in which the app includes them.
    """

    def __init__(self, routers: Iterable[ScopedRouter]) -> None:
        self._routers = list(routers)
        self._routes = [(route, router.scopes[route.name]) for router in self._routers for route in router.routes]

    def include_in(self, app: FastAPI) -> None:
        """Let the app answer every route."""
        for router in self._routers:
            app.include_router(router.router)

    def of_request(self, connection: Connection) -> Scope | None:
        """Return the scope that the request needs; None where it needs no token.

        Args:
            connection: ASGI scope of the request.
        """
        for route, scope in self._routes:
            # The router's own matching decides, so that the two can never differ; most routes have another method.
            if connection["method"] in (route.methods or ()) and route.matches(connection)[0] is Match.FULL:
                return scope
        return UNKNOWN_ROUTE

    def of_operation(self, operation_id: str) -> Scope | None:
        """Return the scope of an operation of the OpenAPI document; None where it needs no token."""
        return next(router.scopes[operation_id] for router in self._routers if operation_id in router.scopes)
