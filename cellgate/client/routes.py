"""The way to a server: directly, or through the proxy that the environment names.

`HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` name a proxy, `NO_PROXY` the servers that are reached without it, as curl
reads them. This machine's own addresses are never reached through a proxy: it would look on another machine.
"""

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies

import httpx

from cellgate.client.errors import ServerAway, UnusableProxy

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PROXY_SCHEMES = ("http", "https")
PORTS = {"http": 80, "https": 443}
PROBLEM = "application/problem+json"


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a client reaches one server.

    Args:
        server: Base URL of the server.
        proxy: URL of the proxy between, which may hold a password; None for none.
    """

    server: str
    proxy: str | None = None

    @property
    def proxy_name(self) -> str | None:
        """The proxy's URL without user and password."""
        return None if self.proxy is None else _without_secrets(urlsplit(self.proxy))

    def away(self, reason: str) -> ServerAway:
        """Return the error for a server that did not answer."""
        return ServerAway(self.server, reason, proxy=self.proxy_name)

    def broken(self, error: httpx.TransportError) -> str:
        """Return why a request had no answer; it names the proxy where that is what could not be reached."""
        reason = str(error) or type(error).__name__
        if self.proxy is None:
            return reason
        if isinstance(error, httpx.ProxyError):
            return f"the proxy answered: {reason}"
        return f"the proxy cannot be reached: {reason}" if isinstance(error, httpx.ConnectError) else reason

    def unavailable(self, answer: httpx.Response) -> str:
        """Return why an answer counts as none."""
        return f"the proxy answered with status {answer.status_code}" if self.by_proxy(answer) else _status(answer)

    def by_proxy(self, answer: httpx.Response) -> bool:
        """Return whether an error was answered by the proxy: Cellgate answers errors with problem documents alone."""
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return self.proxy is not None and answer.is_error and media_type != PROBLEM


def route_to(server: str, proxies: Mapping[str, str] | None = None) -> Route:
    """Return the way to a server.

    Args:
        server: Base URL of the server.
        proxies: URL of the proxy by scheme (`http`, `https`, `all`), and under `no` the servers reached without;
            default: as the environment has them.

    Raises:
        UnusableProxy: The proxy's URL is none, or of a kind that the client does not speak.
    """
    known = getproxies() if proxies is None else proxies
    try:
        parts = urlsplit(server)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        # The first request says what is wrong with the server's URL.
        return Route(server=server)
    name = parts.scheme if known.get(parts.scheme) else "all"
    proxy = known.get(name)
    if not proxy or not host or is_this_machine(host) or _is_exempt(host, port, known.get("no", "")):
        return Route(server=server)
    return Route(server=server, proxy=_usable(proxy, f"{name.upper()}_PROXY"))


def is_this_machine(host: str) -> bool:
    """Return whether a host is this machine's: `localhost` and names below it, 127.0.0.0/8, ::1, 0.0.0.0, ::.

    Source:
        RFC 6761, section 6.3 (`localhost`); RFC 1122, section 3.2.1.3, and RFC 4291, section 2.5.3 (addresses).
    """
    name = host.lower().rstrip(".")
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback or address.is_unspecified


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    return any(_covers(entry.strip().lower(), host.lower().rstrip("."), port) for entry in no_proxy.split(","))


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY covers a host: `*`, a name and all below it, an address, a network."""
    if entry == "*":
        return True
    name, only_port = _split_port(entry.rpartition("://")[2])
    if not name or only_port not in (None, port):
        return False
    address = _address(host)
    if address is None:
        suffix = name.removeprefix("*").strip(".")
        return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    """Return an entry without its port, and the port; an IPv6 address with a port stands in brackets."""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        port = port.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        name, port = entry, ""
    return name, int(port) if port.isdecimal() else None


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # Also 127.1 and 0x7f000001, which connect() takes for addresses.
        return ipaddress.ip_address(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError, ValueError):
        return None


def _usable(proxy: str, variable: str) -> str:
    found = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(found)
        usable = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
        shown = _without_secrets(parts)
    except ValueError:
        usable, shown = False, "no URL"
    if not usable:
        raise UnusableProxy(
            f"{variable} is {shown}, expected the URL of an HTTP proxy (http:// or https://): correct it, or name the "
            "server in NO_PROXY to reach it directly"
        )
    return found


def _without_secrets(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _status(answer: httpx.Response) -> str:
    return f"status {answer.status_code}"
