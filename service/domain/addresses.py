"""Whose connection or request it is: the caller's address, behind trusted proxies the one that they name.

Source:
    `X-Forwarded-For`: each proxy appends the address that it was called from, so only the end can be trusted.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
# One caller has at least so many of IPv6 to itself. RFC 6177.
IPV6_PREFIX = 64


def parsed(text: str) -> Address | None:
    """Return an address, also one that a proxy has written with a port; None where it is none."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def is_in(address: Address | None, networks: Networks) -> bool:
    """Return whether an address belongs to one of the networks."""
    return address is not None and any(address in network for network in networks)


def counted_as(address: Address | None) -> str | None:
    """Return under which name the connections of an address count together: an IPv6 network of /64 is one caller."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return None if address is None else str(address)


def forwarded_for(headers: Sequence[tuple[bytes, bytes]], trusted: Networks) -> Address | None:
    """Return the address that trusted proxies forward a request for: the last one that is no trusted proxy's.

    Args:
        headers: Of the request, names in lower case.
        trusted: Networks of the trusted proxies.
    """
    named = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    for text in reversed(named.split(",")):
        address = parsed(text)
        if not is_in(address, trusted):
            return address
    return None
