"""The cookie of a browser's session: opaque, out of reach of scripts, and sent to this service's own pages only.

Source:
    RFC 6265bis, sections 4.1.2 (SameSite) and 4.1.3 (`__Host-`).
"""

import math

from fastapi import Request, Response

from service.domain.tokens import is_session
from service.store.sessions import NewSession

NAME = "cellgate_session"
# Browsers take such a cookie over HTTPS only, for the whole host and from no other host.
HTTPS_ONLY = "__Host-"


def session_in(request: Request) -> str | None:
    """Return the value of the session's cookie that a browser has sent; None where there is none."""
    name = _name(request)
    found = request.cookies.get(f"{HTTPS_ONLY}{name}") or request.cookies.get(name)
    # A cookie may hold anything; nothing else was ever set.
    return found if found is not None and is_session(found) else None


def set_session(request: Request, response: Response, opened: NewSession) -> None:
    """Let the browser keep a session until it ends."""
    _set(request, response, opened.secret, max_age_s=math.floor(opened.lifetime_s))


def drop_session(request: Request, response: Response) -> None:
    """Let the browser forget its session."""
    _set(request, response, "", max_age_s=0)


def _set(request: Request, response: Response, value: str, *, max_age_s: int) -> None:
    secure = _over_https(request)
    name = f"{HTTPS_ONLY if secure else ''}{_name(request)}"
    response.set_cookie(name, value, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="strict")
    response.headers["Cache-Control"] = "no-store"


def _name(request: Request) -> str:
    """Return the cookie's name: cookies do not know ports, and two services of one host have a session each."""
    port = request.headers.get("Host", "").rpartition("]")[2].rpartition(":")[2]
    return f"{NAME}_{port}" if port.isascii() and port.isdecimal() else NAME


def _over_https(request: Request) -> bool:
    # Before a proxy that adds TLS only the browser knows, and says it in every request that changes something.
    return request.url.scheme == "https" or request.headers.get("Origin", "").startswith("https://")
