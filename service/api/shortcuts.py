"""What a route may answer before FastAPI sees the request: the usual one, which clients send all the time.

A shortcut gets requests that have passed every check of the middleware. What it leaves alone, the route's endpoint
answers, and says what is wrong with it.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

# Gets the request and the value of its path's first parameter; returns None for a request that it leaves alone.
Shortcut = Callable[[Request, str], Awaitable[Response | None]]
