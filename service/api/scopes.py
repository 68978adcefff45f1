"""Routes that declare the scope they need, and whose things they change, beside their path: none comes without."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from functools import cached_property, wraps
from typing import Any, Final, TypeVar

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import Match, Route
from starlette.types import Scope as Connection

from cellgate.contract.api.tokens import Scope
from service.api.parameters import refuse_unknown_parameters

# Answers usual requests before FastAPI sees them; gets a request and the id in its path, returns None for any other.
Shortcut = Callable[[Request, str], Awaitable[Response | None]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
# The scope of a route that answers without a token.
OPEN: Final = None


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


class DeclaredRoute:
    """One route. FastAPI's part is made when its first request comes, or the OpenAPI document is read.

    To make all of them took a third of each start, and most processes answer few of them.

    Args:
        method: Of its requests.
        path: Whole; `{name}` is a path parameter.
        endpoint: Answers them.
        scope: The least that a request's token must allow; `OPEN`: it needs no token.
        whose: Whose things it changes.
        shortcut: Answers usual requests before FastAPI sees them.
        options: Of FastAPI's `APIRoute`.
    """

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Callable[..., Any],
        *,
        scope: Scope | None,
        whose: Whose,
        shortcut: Shortcut | None,
        options: dict[str, Any],
    ) -> None:
        self.method, self.path, self.scope, self.whose, self.shortcut = method, path, scope, whose, shortcut
        self.name = str(options.get("name", endpoint.__name__))
        self._endpoint = endpoint
        self._options = options
        self._pattern = Route(path, endpoint, methods=[method])

    def params_in(self, connection: Connection) -> dict[str, Any] | None:
        """Return the path parameters of a request, whatever its method; None where the path is another one.

        Args:
            connection: ASGI scope of the request.
        """
        match, found = self._pattern.matches(connection)
        return None if match is Match.NONE else dict(found["path_params"])

    @cached_property
    def made(self) -> APIRoute:
        """FastAPI's route, which validates requests and answers them."""
        options = dict(self._options)
        kind: type[APIRoute] = options.pop("route_class_override", APIRoute)
        further: Sequence[Any] = options.pop("dependencies", ())
        return kind(
            self.path,
            _as_coroutine(self._endpoint),
            methods=[self.method],
            dependencies=[Depends(refuse_unknown_parameters), *further],
            generate_unique_id_function=operation_id,
            **options,
        )


class ScopedRouter:
    """The routes of one resource, each with the scope that it needs and whose things it changes.

    Args:
        prefix: Start of every path.
        tags: Tags of every operation in the OpenAPI document.
    """

    def __init__(self, *, prefix: str = "", tags: Sequence[str] = ()) -> None:
        self._prefix = prefix
        self._tags = list(tags)
        self.declared: list[DeclaredRoute] = []

    @property
    def routes(self) -> list[APIRoute]:
        """Every route, made, in the order in which requests are matched."""
        return [route.made for route in self.declared]

    @property
    def scopes(self) -> dict[str, Scope | None]:
        """The scope of every route, by name."""
        return {route.name: route.scope for route in self.declared}

    @property
    def whose(self) -> dict[str, Whose]:
        """Whose things every route changes, by name."""
        return {route.name: route.whose for route in self.declared}

    def get(
        self, path: str, scope: Scope | None, *, shortcut: Shortcut | None = None, **options: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator that adds a GET route.

        Args:
            path: Below the router's prefix; `{name}` is a path parameter.
            scope: The least that the request's token must allow; `OPEN`: no token is needed.
            shortcut: Answers usual requests before FastAPI sees them.
            options: Of FastAPI's `APIRoute`.
        """
        return self._add("GET", path, scope, Whose.ANY, options, shortcut)

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
        self,
        method: str,
        path: str,
        scope: Scope | None,
        whose: Whose,
        options: dict[str, Any],
        shortcut: Shortcut | None = None,
    ) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            route = DeclaredRoute(
                method,
                self._prefix + path,
                endpoint,
                scope=scope,
                whose=whose,
                shortcut=shortcut,
                options={"tags": self._tags, **options},
            )
            self.declared.append(route)
            return endpoint

        return add


def operation_id(route: APIRoute) -> str:
    """Return the name that generated clients give the operation."""
    return route.name


def _as_coroutine(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Return an endpoint as a coroutine, unless it is one or streams; FastAPI checks any other in a second thread."""
    if inspect.iscoroutinefunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        return endpoint

    @wraps(endpoint)
    async def answer(**values: Any) -> Any:
        return await run_in_threadpool(endpoint, **values)

    return answer
