"""Origin checks: a service without tokens refuses requests that pages of other sites cause.

Any page can make a browser send requests to this machine: under a name that resolves to it (DNS rebinding), or by a
plain cross-site POST.

Source:
    RFC 9110, section 7.2 (Host); RFC 6454 (Origin).
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
    ours = {f"http://{host_header}".lower(), f"https://{host_header}".lower()}
    if request.method not in READING and origin is not None and origin.lower() not in ours:
        raise _foreign("Origin", f"found {origin!r}, expected 'http://{host_header}': other origins change nothing")


def _is_ours(host_header: str, host: str) -> bool:
    found = HOST.match(host_header)
    if found is None:
        return False
    name = (found["six"] or found["name"]).lower()
    return is_loopback(name) or name == host.lower()


def _foreign(header: str, detail: str) -> ForeignCaller:
    return ForeignCaller(detail, mistakes=[Mistake(pointer=f"#header/{header}", detail=detail)])
