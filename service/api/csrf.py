"""Origin checks: what pages of other sites make a browser send is refused.

Any page can make a browser send requests to a service without tokens: under a name that resolves to this machine (DNS
rebinding), or by a plain cross-site POST. And a browser adds a session's cookie by itself, also for a page of another
port or subdomain, which counts as the same site.

Source:
    RFC 9110, section 7.2 (Host); RFC 6454 (Origin); W3C Fetch Metadata Request Headers (`Sec-Fetch-Site`).
"""

import re

from fastapi import Request

from service.domain.errors import ForeignCaller, Mistake
from service.settings import is_loopback

HOST = re.compile(r"^(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::\d+)?$")
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def check_origin(request: Request, host: str) -> None:
    """Accept a request that names this service as its host and comes from its own page or from no page.

    Args:
        host: Address that the service listens on.

    Raises:
        ForeignCaller: It names another host, or a page of another origin would change something.
    """
    host_header = request.headers.get("Host", "")
    if not _is_ours(host_header, host):
        raise _foreign(
            "Host",
            f"found {host_header!r}, expected a name of this machine: use http://127.0.0.1 or http://localhost, or set "
            "CELLGATE_TOKEN to accept other names",
        )
    origin = request.headers.get("Origin")
    if request.method not in READING and origin is not None and not _is_own_origin(request):
        raise _foreign("Origin", f"found {origin!r}, expected 'http://{host_header}': other origins change nothing")


def check_own_page(request: Request) -> None:
    """Accept a request that a browser has sent for this service's own page, or for a person who follows a link.

    Raises:
        ForeignCaller: A page of another origin would read or change something by the browser's session; or the request
            changes something, and nothing says which page it is from.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if request.method in READING:
        if site not in (None, "same-origin", "none") and not _opens_a_page(request):
            raise _foreign("Sec-Fetch-Site", f"found {site!r}, expected 'same-origin': other pages read nothing")
        return
    if site is not None and site != "same-origin":
        raise _foreign("Sec-Fetch-Site", f"found {site!r}, expected 'same-origin': other pages change nothing")
    if site is None and not _is_own_origin(request):
        raise _foreign(
            "Origin",
            f"found {request.headers.get('Origin')!r}, expected this service's own: a session changes something from "
            "its own page only; send a bearer token instead",
        )


def check_no_other_page(request: Request) -> None:
    """Accept a request unless a browser has sent it for a page of another origin.

    Raises:
        ForeignCaller: It has.
    """
    if "Sec-Fetch-Site" in request.headers or "Origin" in request.headers:
        check_own_page(request)


def _opens_a_page(request: Request) -> bool:
    # The page that has the link cannot read what is opened: see the header Cross-Origin-Opener-Policy.
    named = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    return named == ("navigate", "document")


def _is_own_origin(request: Request) -> bool:
    host = request.headers.get("Host", "").lower()
    return request.headers.get("Origin", "").lower() in (f"http://{host}", f"https://{host}")


def _is_ours(host_header: str, host: str) -> bool:
    found = HOST.match(host_header)
    if found is None:
        return False
    name = (found["six"] or found["name"]).lower()
    return is_loopback(name) or name == host.lower()


def _foreign(header: str, detail: str) -> ForeignCaller:
    return ForeignCaller(detail, mistakes=[Mistake(pointer=f"#header/{header}", detail=detail)])
