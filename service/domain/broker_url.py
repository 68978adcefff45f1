"""The broker's URL taken apart: one server, a Unix socket, or a master that Sentinels name; with or without TLS.

| form | broker |
|---|---|
| `redis://[user:password@]host[:port][/db]` | one server |
| `rediss://…[?ssl_ca_certs=FILE]` | the same over TLS |
| `redis+socket://PATH?virtual_host=DB` | one server on a Unix socket |
| `sentinel://[user:password@]host[:port];host[:port]…[/db]?master_name=NAME` | the master that the Sentinels name |
| `sentinels://…` | the same over TLS, Sentinels and servers |

Celery and redis-py read different forms of these; both get theirs from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SERVER_PORT = 6379
SENTINEL_PORT = 26379
SOCKET, SERVER, SERVER_TLS, SENTINEL, SENTINEL_TLS = "redis+socket", "redis", "rediss", "sentinel", "sentinels"
SCHEMES = (SERVER, SERVER_TLS, SOCKET, SENTINEL, SENTINEL_TLS)
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
# As redis-py and Celery name them; the words are OpenSSL's.
VERIFICATION = {"required": "required", "none": "none", "cert_required": "required", "cert_none": "none"}
SENTINEL_FIELDS = ("master_name", "sentinel_username", "sentinel_password")


class InvalidBrokerUrl(ValueError):
    """The URL names no broker that can be used; the message lists every mistake and shows no password."""


@dataclass(frozen=True, kw_only=True)
class BrokerUrl:
    """Where the broker is, and how to reach it.

    Args:
        hosts: Host and port of the server, or of each Sentinel; empty with a socket.
        socket: Path of a Unix socket.
        database: Number of the database.
        username: ACL user; None: the default user.
        password: Of that user.
        master: Name under which the Sentinels know the master; None without Sentinels.
        sentinel_username: ACL user of the Sentinels themselves.
        sentinel_password: Password of the Sentinels themselves.
        tls: Options of TLS by redis-py's names; None without TLS.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    socket: str | None = None
    database: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    master: str | None = None
    sentinel_username: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)
    tls: Mapping[str, str | bool] | None = None


def parse_broker_url(url: str) -> BrokerUrl:
    """Return the parts of a broker's URL.

    Raises:
        InvalidBrokerUrl: It is none of the forms above.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES or "://" not in url:
        # What stands before the first `://` may be a password, if the scheme is missing.
        raise InvalidBrokerUrl(f"expected a URL that begins with one of {', '.join(f'{name}://' for name in SCHEMES)}")
    if scheme == SOCKET:
        return _socket(url)
    mistakes: list[str] = []
    parts, hosts = _hosts(url, scheme, mistakes)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    sentinel = scheme in (SENTINEL, SENTINEL_TLS)
    if not sentinel and len(hosts) > 1:
        mistakes.append("several hosts are those of Sentinels: sentinel://host;host?master_name=NAME")
    if sentinel and not query.get("master_name"):
        mistakes.append("master_name is missing: add ?master_name=NAME, the name under which Sentinel knows the master")
    with_tls = scheme in (SERVER_TLS, SENTINEL_TLS)
    allowed = ((*TLS_FILES, "ssl_cert_reqs", "ssl_check_hostname") if with_tls else ()) + (
        SENTINEL_FIELDS if sentinel else ()
    )
    unknown = sorted(set(query) - set(allowed))
    if unknown:
        mistakes.append(f"unknown parameters {', '.join(unknown)}; known here: {', '.join(allowed) or 'none'}")
    found = BrokerUrl(
        hosts=hosts,
        database=_database(parts.path.removeprefix("/"), mistakes),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        master=query.get("master_name") if sentinel else None,
        sentinel_username=query.get("sentinel_username"),
        sentinel_password=query.get("sentinel_password"),
        tls=_tls(query, mistakes) if with_tls else None,
    )
    if mistakes:
        raise InvalidBrokerUrl("; ".join(mistakes))
    return found


def _socket(url: str) -> BrokerUrl:
    path, _, query_text = url.removeprefix(f"{SOCKET}://").partition("?")
    mistakes: list[str] = []
    query = dict(parse_qsl(query_text))
    if not path.startswith("/"):
        mistakes.append("expected the absolute path of a socket, as in redis+socket:///run/redis.sock?virtual_host=0")
    unknown = sorted(set(query) - {"virtual_host", "username", "password"})
    if unknown:
        mistakes.append(f"unknown parameters {', '.join(unknown)}; known here: virtual_host, username, password")
    database = _database(query.get("virtual_host", ""), mistakes)
    if mistakes:
        raise InvalidBrokerUrl("; ".join(mistakes))
    return BrokerUrl(
        socket=unquote(path), database=database, username=query.get("username"), password=query.get("password")
    )


def _hosts(url: str, scheme: str, mistakes: list[str]) -> tuple[SplitResult, tuple[tuple[str, int], ...]]:
    """Return the URL with its first host alone, and every host with its port."""
    rest = url.removeprefix(f"{scheme}://")
    # Celery repeats the scheme before each Sentinel.
    first, *more = rest.replace(f";{scheme}://", ";").split(";")
    tail = ""
    if more:
        last, slash, after = _cut(more[-1])
        more[-1], tail = last, slash + after
    default = SENTINEL_PORT if scheme in (SENTINEL, SENTINEL_TLS) else SERVER_PORT
    parts = urlsplit(f"{scheme}://{first}{tail}")
    hosts = tuple(_host(authority, default, mistakes) for authority in (parts.netloc, *more))
    return parts, hosts


def _cut(text: str) -> tuple[str, str, str]:
    """Return a host, and what begins at the first `/` or `?` after it."""
    ends = [text.index(mark) for mark in "/?" if mark in text]
    cut = min(ends, default=len(text))
    return text[:cut], text[cut : cut + 1], text[cut + 1 :]


def _host(authority: str, default: int, mistakes: list[str]) -> tuple[str, int]:
    parts = urlsplit(f"//{authority}")
    try:
        port = parts.port or default
    except ValueError:
        mistakes.append("a port is no number from 1 to 65535: a password with / ? # @ or : must be percent-encoded")
        port = default
    if not parts.hostname:
        mistakes.append("a host is missing")
    return parts.hostname or "", port


def _database(text: str, mistakes: list[str]) -> int:
    if text == "":
        return 0
    if text.isdecimal():
        return int(text)
    mistakes.append("the database is no number: expected /0, /1 …")
    return 0


def _tls(query: Mapping[str, str], mistakes: list[str]) -> dict[str, str | bool]:
    options: dict[str, str | bool] = {name: query[name] for name in TLS_FILES if name in query}
    verification = query.get("ssl_cert_reqs", "required").lower()
    if verification not in VERIFICATION:
        mistakes.append("ssl_cert_reqs is neither `required` nor `none`")
    options["ssl_cert_reqs"] = VERIFICATION.get(verification, "required")
    options["ssl_check_hostname"] = (
        options["ssl_cert_reqs"] == "required" and query.get("ssl_check_hostname", "true").lower() != "false"
    )
    return options
