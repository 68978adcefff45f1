"""How long a PostgreSQL server, or the network before it, may stay silent before a connection is given up.

Two bounds, since neither covers the other. The kernel's (`LINK_PARAMETERS`) end a connection whose packets nobody
acknowledges: a host that is gone, a firewall that forgot the connection. A peer that acknowledges and says no more, as
a stopped server or a cut proxy does, is given up by the driver: it looks at the clock while it waits.

Source:
    PostgreSQL 16, section 34.1.2 (parameters of a connection); RFC 5482 (TCP user timeout).
"""

from typing import Any, cast

from sqlalchemy import URL, Engine, event

# A connection that waits is probed after 10 s and ends 15 s later; what is sent must be acknowledged within 25 s.
LINK_PARAMETERS = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


def link_parameters(url: URL) -> dict[str, int]:
    """Return libpq's parameters for a link that breaks without a word, except those that the URL sets.

    libpq ignores those of TCP on a Unix socket.
    """
    return {name: value for name, value in LINK_PARAMETERS.items() if name not in url.query}


def limit_silence(engine: Engine, silence_s: float) -> None:
    """Close a PostgreSQL connection on which nothing moves for so long while a caller waits; the caller gets an error.

    Args:
        engine: Of the database; one of SQLite has no server, and is left as it is.
        silence_s: Longest silence in seconds; a statement that computes, or waits for a lock, is silent as well.
    """
    if engine.dialect.name == "sqlite":
        return
    # Here, since SQLite needs no driver of PostgreSQL: importing it takes a tenth of the API's start.
    from service.store.limited_connection import LimitedConnection

    kind = cast(type[LimitedConnection], type("Limited", (LimitedConnection,), {"silence_s": silence_s}))

    def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        return kind.connect(*arguments, **parameters)

    event.listen(engine, "do_connect", connect)
