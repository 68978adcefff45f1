"""Which servers a client reaches through the environment's proxy, and which directly."""

from collections.abc import Callable

import httpx
import pytest

from cellgate.client._sync.client import Client
from cellgate.client.errors import Refused, ServerAway, UnusableProxy
from cellgate.client.routes import Route, route_to
from tests.unit.cli.test_connection import code_of

PROXIES = {"http": "http://proxy:3128", "https": "http://tls-proxy:3128"}


@pytest.mark.parametrize(
    "server",
    [
        *("http://localhost:8451", "https://LOCALHOST.", "http://cellgate.localhost"),
        *("http://127.0.0.1:8451", "http://127.3.2.1", "http://127.1:8451", "http://0.0.0.0:8451"),
        *("http://[::1]:8451", "http://[::ffff:127.0.0.1]:8451", "http://[::]"),
    ],
)
def test_this_machine_is_never_reached_through_a_proxy(server: str) -> None:
    assert route_to(server, {**PROXIES, "all": "socks5://proxy"}).proxy is None


@pytest.mark.parametrize(
    ("server", "proxies", "expected"),
    [
        ("http://host:8451", PROXIES, "http://proxy:3128"),
        ("https://host", PROXIES, "http://tls-proxy:3128"),
        ("https://host", {"all": "http://all:1", "http": "http://proxy:1"}, "http://all:1"),
        ("http://host", {"http": "proxy:3128"}, "http://proxy:3128"),
        ("http://127.0.0.1.example.org", PROXIES, "http://proxy:3128"),
        ("http://localhost.example.org", PROXIES, "http://proxy:3128"),
        ("http://host", {}, None),
    ],
)
def test_another_machine_is_reached_through_the_proxy_of_its_scheme(
    server: str, proxies: dict[str, str], expected: str | None
) -> None:
    assert route_to(server, proxies).proxy == expected


@pytest.mark.parametrize(
    ("no_proxy", "server", "direct"),
    [
        ("*", "http://host", True),
        ("host", "http://host:8451", True),
        ("other, HOST ", "http://Host", True),
        ("example.org", "http://a.example.org", True),
        (".example.org", "http://a.example.org", True),
        (".example.org", "http://example.org", True),
        ("*.example.org", "http://a.example.org", True),
        ("example.org", "http://badexample.org", False),
        ("host:8451", "http://host:8451", True),
        ("host:8451", "http://host:8452", False),
        ("host:443", "https://host", True),
        ("10.0.0.7", "http://10.0.0.7:8451", True),
        ("10.0.0.7", "http://10.0.0.70", False),
        ("10.0.0.0/8", "http://10.200.3.4", True),
        ("10.0.0.5/8", "http://10.200.3.4", True),
        ("10.0.0.0/8", "http://11.0.0.1", False),
        ("10.0.0.0/8", "http://host", False),
        ("fd00::/8", "http://[fd00::7]:8451", True),
        ("[fd00::7]:8451", "http://[fd00::7]:8451", True),
        ("fd00::7", "http://[fd00::8]", False),
        ("", "http://host", False),
        (",,", "http://host", False),
        ("10.0.0.0/99,10.1", "http://10.0.0.1", False),
    ],
)
def test_no_proxy_names_hosts_domains_addresses_networks_and_ports(no_proxy: str, server: str, direct: bool) -> None:
    assert (route_to(server, {**PROXIES, "no": no_proxy}).proxy is None) == direct


@pytest.mark.parametrize("proxy", ["socks5://host:1080", "http://", "http://[", "http://host:port", "ftp://host"])
def test_a_proxy_that_cannot_be_used_is_a_wrong_setting(
    proxy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert code_of(monkeypatch, "--server", "http://host", "ls") == 2
    assert "HTTP_PROXY is " in capsys.readouterr().err


def test_the_proxy_s_password_is_never_shown() -> None:
    route = route_to("http://host", {"http": "http://user:secret@proxy:3128"})
    assert route.proxy_name == "http://proxy:3128"
    assert "secret" not in str(route.away("why"))

    with pytest.raises(UnusableProxy) as error:
        route_to("http://host", {"http": "socks5://user:secret@proxy:3128"})
    assert "secret" not in str(error.value)


def asked(monkeypatch: pytest.MonkeyPatch, handler: Callable[[httpx.Request], httpx.Response]) -> Exception:
    """Return how a request ends whose proxy behaves like `handler`."""
    route = Route(server="http://host", proxy="http://proxy:3128")
    monkeypatch.setattr("cellgate.client._sync.connection.route_to", lambda _: route)
    with (
        Client("http://host", transport=httpx.MockTransport(handler), patience_s=0.0) as client,
        pytest.raises((ServerAway, Refused)) as error,
    ):
        client.json("/v1/workers")
    return error.value


def refuse(error: httpx.TransportError) -> Callable[[httpx.Request], httpx.Response]:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    return handler


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (
            lambda _: httpx.Response(502, text="no such host"),
            "no answer from http://host through the proxy http://proxy:3128 (the proxy answered with status 502)",
        ),
        (
            refuse(httpx.ConnectError("refused")),
            "no answer from http://host through the proxy http://proxy:3128 (the proxy cannot be reached: refused)",
        ),
        (
            refuse(httpx.ProxyError("403 Forbidden")),
            "no answer from http://host through the proxy http://proxy:3128 (the proxy answered: 403 Forbidden)",
        ),
        (
            lambda _: httpx.Response(407, text="log in"),
            "the proxy http://proxy:3128, in place of http://host, answered 407 Proxy Authentication Required: log in",
        ),
    ],
)
def test_a_message_names_the_proxy_where_it_answered(
    handler: Callable[[httpx.Request], httpx.Response], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert str(asked(monkeypatch, handler)) == expected


def test_a_problem_of_the_service_is_not_the_proxy_s_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = {"code": "not_found", "detail": "there is none"}
    headers = {"Content-Type": "application/problem+json"}
    error = asked(monkeypatch, lambda _: httpx.Response(404, json=problem, headers=headers))
    assert str(error) == "there is none"
