"""Where a name leads: its addresses, refused where webhooks may not go."""

import socket

from service.domain.errors import InvalidSpec
from service.domain.webhooks import refuse_private


def resolve(host: str, port: int | None, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host.

    Args:
        host: Name or address literal.
        port: TCP port; None: any.
        allow_private: Whether loopback, private and link-local addresses are accepted.

    Raises:
        InvalidSpec: One of them is not a public address, or the name is none that DNS could hold.
        OSError: It has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise InvalidSpec(f"{host!r} is no host name: {error}") from error
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if not allow_private:
        refuse_private(host, addresses)
    return addresses
