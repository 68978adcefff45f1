"""Every route of the app, found by the start of its path: what a request needs, and who answers it, is decided once."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from opentelemetry.trace import get_current_span
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from cellgate.contract.api.tokens import Scope
from cellgate.contract.identifiers import ULID
from service.api.scopes import DeclaredRoute, ScopedRouter, Whose

ROW_ID = re.compile(rf"^[a-z]{{2,3}}_{ULID}\Z")
# Of a path: so many segments stand in no parameter, and differ between resources.
START_SEGMENTS = 2
FOUND = "cellgate.route"


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What a request needs.

    Args:
        scope: The least that its token must allow; None: it needs no token.
        whose: Whose things it may change.
        operation: Name of its route.
        named: Name and value of its path's first parameter; the value is as it was sent.
        route: The route; None: there is none.
    """

    scope: Scope | None
    whose: Whose
    operation: str = "none"
    named: tuple[str, str] | None = None
    route: DeclaredRoute | None = None

    @property
    def row_id(self) -> str | None:
        """The thing that its path names; None: it names none, or what it names is no id."""
        return self.named[1] if self.named is not None and ROW_ID.match(self.named[1]) else None


# A token is needed to learn that a path or a method does not exist.
UNKNOWN_ROUTE: Final = Needed(scope=Scope.READ, whose=Whose.ANY)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The route at the path of a request.

    Args:
        path: Of the request.
        method: Of the request.
        params: Of the path.
        whole: Whether the route has the request's method too.
    """

    path: str
    method: str
    route: DeclaredRoute
    params: dict[str, Any]
    whole: bool


class RouteTable(BaseRoute):
    """The one route that the app's router knows; it hands each request to the declared route that it finds.

    Args:
        routers: In the order in which their routes are matched.
    """

    def __init__(self, routers: Iterable[ScopedRouter]) -> None:
        self._declared = [route for router in routers for route in router.declared]
        self._by_start: defaultdict[tuple[str, ...], list[DeclaredRoute]] = defaultdict(list)
        for route in self._declared:
            self._by_start[_literal_start(route.path)].append(route)

    def include_in(self, app: FastAPI) -> None:
        """Let the app answer every route, and no other."""
        app.router.routes[:] = [self]

    @property
    def routes(self) -> list[APIRoute]:
        """Every route, made, in the order of the OpenAPI document."""
        return [route.made for route in self._declared]

    def of_request(self, connection: Connection) -> Needed:
        """Return what the request needs; the router then takes the route that was found here.

        Args:
            connection: ASGI scope of the request.
        """
        found = connection[FOUND] = self._find(connection)
        if found is None or not found.whole:
            return UNKNOWN_ROUTE
        first = next(iter(found.params.items()), None)
        named = None if first is None else (first[0], str(first[1]))
        route = found.route
        return Needed(
            scope=route.scope,
            whose=route.whose,
            operation=route.name,
            named=named,
            route=route,
        )

    def of_operation(self, operation: str) -> Scope | None:
        """Return the scope of an operation of the OpenAPI document; None where it needs no token."""
        return next(route.scope for route in self._declared if route.name == operation)

    def matches(self, scope: Connection) -> tuple[Match, Connection]:
        """Return whether there is a route for a request, as the router asks it."""
        found: _Found | None = scope.get(FOUND)
        # The router may ask for another path, with a slash more or less.
        if found is None or (found.path, found.method) != (scope["path"], scope["method"]):
            found = self._find(scope)
        if found is None:
            return Match.NONE, {}
        child = {"endpoint": found.route.made.endpoint, "path_params": found.params, "route": found.route.made}
        return (Match.FULL if found.whole else Match.PARTIAL), child

    async def handle(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer a request by the route that was found for it."""
        route: APIRoute = scope["route"]
        span = get_current_span()
        if span.is_recording():
            span.set_attribute("http.route", route.path_format)
            span.update_name(f"{scope['method']} {route.path_format}")
        await route.handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """Return the path of the route of this name.

        Raises:
            starlette.routing.NoMatchFound: There is none, or it has other parameters.
        """
        for route in self._declared:
            if route.name == name:
                return route.made.url_path_for(name, **path_params)
        raise NoMatchFound(name, path_params)

    def _find(self, connection: Connection) -> _Found | None:
        path, method = str(connection["path"]), str(connection["method"])
        partial = None
        for route in self._candidates(path):
            if route.method != method and partial is not None:
                continue
            params = route.params_in(connection)
            if params is not None:
                found = _Found(path=path, method=method, route=route, params=params, whole=route.method == method)
                if found.whole:
                    return found
                partial = found
        return partial

    def _candidates(self, path: str) -> Sequence[DeclaredRoute]:
        segments = tuple(path.split("/", START_SEGMENTS + 1)[1 : START_SEGMENTS + 1])
        alone, whole = self._by_start.get(segments[:1], ()), self._by_start.get(segments, ())
        return whole if not alone else alone if segments == segments[:1] else [*whole, *alone]


def _literal_start(path: str) -> tuple[str, ...]:
    """Return the first segments of a path, up to a parameter."""
    segments = path.split("/")[1 : START_SEGMENTS + 1]
    parameter = next((index for index, segment in enumerate(segments) if "{" in segment), len(segments))
    return tuple(segments[:parameter])
