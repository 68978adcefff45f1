"""How much one connection may take of the API, and how many there may be."""

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import structlog

from service.settings import Settings

# Databases, files being sent, threads' pipes: what an API opens besides its connections.
FILES_KEPT = 256
# Beyond it the interpreter's own tables grow; no API here holds as many connections.
MOST_FILES = 1 << 16
FEWEST_CONNECTIONS = 16
# Connections beyond the limit that still get an answer: /livez, or that there are too many.
RESERVE = 32
# One address never fills the whole server, however few files it may open.
LARGEST_SHARE = 0.75
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """Limits of one API process.

    Args:
        header_bytes: Most bytes of a request line and its headers, and of anything else that is no body.
        header_timeout_s: Longest time from the first byte, or the connection's start, to the end of the headers.
        body_timeout_s: Period over which a body's rate is taken.
        body_bytes_per_s: Least rate of a body, over each such period.
        write_timeout_s: Longest time in which a caller may take nothing of what it is sent.
        connections: Most open connections.
        per_address: Most open connections, or requests through trusted proxies, of one address.
        trusted_proxies: Networks of the proxies whose `X-Forwarded-For` counts.
    """

    header_bytes: int
    header_timeout_s: float
    body_timeout_s: float
    body_bytes_per_s: int
    write_timeout_s: float
    connections: int
    per_address: int
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = ()


def limits_of(settings: Settings, *, open_files: int) -> HttpLimits:
    """Return the limits that the settings ask for, as far as the process may open files.

    Args:
        settings: Of the API.
        open_files: Most files that this process may have open.
    """
    possible = max(FEWEST_CONNECTIONS, open_files - FILES_KEPT - RESERVE)
    connections = min(settings.max_connections, possible)
    if connections < settings.max_connections:
        log.warning(
            "fewer_connections",
            found=f"this process may open {open_files} files",
            connections=connections,
            what_to_do=f"raise the hard limit of open files for CELLGATE_MAX_CONNECTIONS={settings.max_connections}",
        )
    return HttpLimits(
        header_bytes=settings.max_header_bytes,
        header_timeout_s=settings.header_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        body_bytes_per_s=settings.min_body_bytes_per_s,
        write_timeout_s=settings.write_timeout_s,
        connections=connections,
        per_address=min(settings.max_connections_per_address, max(1, int(LARGEST_SHARE * connections))),
        trusted_proxies=settings.trusted_proxies,
    )


def raise_open_files() -> int:
    """Let this process open as many files as its hard limit allows, and return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < possible:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
        return possible
    return possible if soft == resource.RLIM_INFINITY else soft
