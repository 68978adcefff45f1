"""Query parameters that a route does not have are mistakes, as unknown fields of a body are."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.domain.errors import InvalidRequest, Mistake

# A page may be opened with whatever a link to it carries.
OF_THE_API = "/v1/"


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse what the route would not look at.

    Raises:
        InvalidRequest: There are such parameters; every one is listed.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute) or not route.path.startswith(OF_THE_API):
        return
    known = set(_parameters(route.dependant))
    there_are = f"there are {', '.join(sorted(known))}" if known else "none are known here"
    mistakes = [
        Mistake(pointer=f"#query/{name}", detail=f"there is no such parameter; {there_are}")
        for name in sorted(set(request.query_params) - known)
    ]
    if mistakes:
        raise InvalidRequest("the query has unknown parameters; nothing was done", mistakes=mistakes)


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _parameters(dependency)
