"""The clients in an environment with a proxy: a real one, which records what it is asked for."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from cellgate import AsyncClient, Client, ServerAway
from tests.live_server import LiveServer, run_live_server

# No host has it: only a proxy can answer for it. RFC 2606.
ELSEWHERE = "http://cellgate.invalid:8451"


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A running proxy.

    Args:
        url: Its address.
        asked: URLs that it was asked for.
    """

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def running_proxy(server: str) -> Iterator[Proxy]:
    """Yield a proxy that finds every host whose name ends with `.invalid` at `server`, and no other."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            url = httpx.URL(self.path)
            if not url.host.endswith(".invalid"):
                self.send_error(502)
                return
            there = httpx.URL(server)
            answer = httpx.get(url.copy_with(host=there.host, port=there.port), trust_env=False)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Proxy(url=f"http://127.0.0.1:{proxy.server_address[1]}", asked=asked)
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with run_live_server(tmp_path_factory.mktemp("deployment")) as running:
        yield running


@pytest.fixture
def proxy(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that the environment names for everything."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with running_proxy(server.url) as running:
        monkeypatch.setenv("HTTP_PROXY", running.url)
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        yield running


def test_a_server_on_this_machine_is_asked_directly(server: LiveServer, proxy: Proxy) -> None:
    for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
        with Client(url) as client:
            assert client.workers()
    assert proxy.asked == []


async def ask(url: str) -> int:
    async with AsyncClient(url) as client:
        return len(await client.workers())


def test_another_server_is_asked_through_the_proxy(proxy: Proxy) -> None:
    with Client(ELSEWHERE) as client:
        assert client.workers()
    assert asyncio.run(ask(ELSEWHERE)) == 1
    assert proxy.asked == [f"{ELSEWHERE}/v1/workers"] * 2


def test_no_proxy_leads_past_the_proxy(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "cellgate.invalid:8451")
    with Client(ELSEWHERE, patience_s=0.0) as client, pytest.raises(ServerAway) as error:
        client.workers()
    assert proxy.asked == []
    assert error.value.proxy is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://cellgate.test", "the proxy answered with status 502"),
        ("https://cellgate.test", "the proxy answered: 403 Forbidden"),
    ],
)
def test_the_proxy_s_own_answer_is_told_as_the_proxy_s(url: str, said: str, proxy: Proxy) -> None:
    with Client(url, patience_s=0.0) as client, pytest.raises(ServerAway) as error:
        client.workers()
    assert str(error.value) == f"no answer from {url} through the proxy {proxy.url} ({said})"


def test_a_proxy_that_is_away_is_named(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("HTTP_PROXY", nobody)
        with Client(ELSEWHERE, patience_s=0.0) as client, pytest.raises(ServerAway) as error:
            client.workers()
    assert f"through the proxy {nobody} (the proxy cannot be reached" in str(error.value)
    assert proxy.asked == []
