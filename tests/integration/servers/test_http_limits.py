"""What the API's connections hold back from callers who send too much, too slowly, or on too many connections.

Over real sockets: these tests also fail where a new uvicorn no longer calls what `service.http.protocol` overrides.
"""

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.http.protocol import LimitedProtocol
from service.store.claims import claim_next
from tests.live_server import LiveServer, run_live_server

PATIENCE_S = 30.0
HEADER_BYTES = 2048
MOST = 16
RESERVE = 32
START = b"GET /v1/cells HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = START + b"\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that waits for hardly anything, and has room for every connection."""
    limits = {
        "max_header_bytes": HEADER_BYTES,
        "header_timeout_s": 0.5,
        "body_timeout_s": 0.5,
        "min_body_bytes_per_s": 20,
        "write_timeout_s": 0.5,
        "keep_alive_s": 0.5,
        "max_buffered_bytes": 1 << 20,
    }
    with run_live_server(tmp_path_factory.mktemp("hasty"), **limits) as running:
        yield running


@pytest.fixture(scope="module")
def server_for_few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that has room for few connections, and waits long."""
    limits = {"max_connections": MOST, "header_timeout_s": 300, "body_timeout_s": 300, "keep_alive_s": 300}
    with run_live_server(tmp_path_factory.mktemp("small"), **limits, trusted_proxies=["127.0.0.7"]) as running:
        yield running


@pytest.fixture
def small(server_for_few: LiveServer) -> LiveServer:
    """That server, without any connection."""
    wait_until_free(server_for_few)
    return server_for_few


def wait_until_free(server: LiveServer) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(server.connections):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back on a connection.

    Args:
        status: None where nothing came before its end.
    """

    status: int | None
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@contextmanager
def connected(server: LiveServer, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    url = httpx.URL(server.url)
    address = (url.host, url.port or 0)
    with socket.create_connection(address, timeout=PATIENCE_S, source_address=(source, 0)) as connection:
        yield connection


def read(connection: socket.socket) -> Answer:
    """Read one answer, or the connection's end."""
    received = b""
    with suppress(ConnectionResetError, BrokenPipeError):
        while b"\r\n\r\n" not in received and (block := connection.recv(1 << 16)):
            received += block
        head, _, body = received.partition(b"\r\n\r\n")
        headers = _headers(head)
        while len(body) < int(headers.get("content-length", "0")) and (block := connection.recv(1 << 16)):
            body += block
        if head:
            return Answer(status=int(head.split()[1]), headers=headers, body=body)
    return Answer(status=None, headers={}, body=b"")


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def ended(connection: socket.socket) -> bool:
    """Wait for the connection's end; return whether it came."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def sent_until_refused(connection: socket.socket, block: bytes, *, most: int) -> int:
    """Send a block again and again; return how many bytes were sent before the server ended it, or `most`."""
    sent = 0
    with suppress(ConnectionResetError, BrokenPipeError):
        while sent < most:
            sent += connection.send(block)
    return sent


def answers(server: LiveServer, path: str = "/livez") -> int:
    return httpx.get(f"{server.url}{path}", trust_env=False, timeout=PATIENCE_S).status_code


def post(body: bytes, *, size: int | None = None, path: str = "/v1/experiments", method: str = "POST") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body) if size is None else size}\r\n\r\n".encode() + body


def padded(size: int) -> bytes:
    """Return a request whose line and headers have so many bytes."""
    return START + b"X-Name: " + b"v" * (size - len(WHOLE) - len(b"X-Name: \r\n")) + b"\r\n\r\n"


def test_headers_of_the_size_that_is_allowed_are_read(hasty: LiveServer) -> None:
    with connected(hasty) as connection:
        connection.sendall(padded(HEADER_BYTES))
        assert read(connection).status == 200


@pytest.mark.parametrize("pieces", [1, 7])
def test_larger_headers_are_431_however_they_arrive(pieces: int, hasty: LiveServer) -> None:
    request = padded(HEADER_BYTES + 1)
    with connected(hasty) as connection:
        for at in range(pieces):
            connection.sendall(request[len(request) * at // pieces : len(request) * (at + 1) // pieces])
        answer = read(connection)
        assert answer.status == 431
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.problem["code"] == "headers_too_large"
        assert ended(connection)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(START, id="headers"),
        pytest.param(b"GET /", id="a request line"),
        pytest.param(b"PUT /v1/uploads/a.jsonl HTTP/1.1\r\nHost: localhost\r\n", id="headers of an upload"),
        pytest.param(
            b"PUT /v1/uploads/a.jsonl HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
            id="trailers",
        ),
        pytest.param(
            b"PUT /v1/uploads/a.jsonl HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
            id="a chunk's extension",
        ),
        pytest.param(WHOLE + b"\r\n", id="headers of a second request"),
    ],
)
@pytest.mark.parametrize("block", [b"X-Name: " + b"v" * 4000 + b"\r\n", b"v" * 4000], ids=["lines", "one line"])
def test_a_server_reads_no_endless_headers(start: bytes, block: bytes, hasty: LiveServer) -> None:
    with connected(hasty) as connection:
        connection.sendall(start)
        # What the kernel's buffers take is at most some megabytes.
        assert sent_until_refused(connection, block, most=64 << 20) < 32 << 20
    assert answers(hasty) == 200


def test_empty_lines_before_a_request_are_no_way_to_stay(hasty: LiveServer) -> None:
    with connected(hasty) as connection:
        assert sent_until_refused(connection, b"\r\n" * 1000, most=64 << 20) < 32 << 20


def test_headers_that_do_not_end_are_408(hasty: LiveServer) -> None:
    with connected(hasty) as connection:
        connection.sendall(START)
        answer = read(connection)
        assert (answer.status, answer.problem["code"]) == (408, "request_timeout")
        assert ended(connection)


def test_headers_that_trickle_get_no_more_time(hasty: LiveServer) -> None:
    with connected(hasty) as connection:
        connection.sendall(START)
        begun = time.monotonic()
        while not select.select([connection], [], [], 0.05)[0] and time.monotonic() - begun < PATIENCE_S:
            connection.sendall(b"X")
        assert read(connection).status == 408


@pytest.mark.parametrize("before", [b"", WHOLE], ids=["at first", "after an answer"])
def test_a_connection_without_a_request_is_closed(before: bytes, hasty: LiveServer) -> None:
    with connected(hasty) as connection:
        connection.sendall(before)
        if before:
            assert read(connection).status == 200
        assert ended(connection)


@pytest.mark.parametrize("path", ["/v1/experiments", "/v1/uploads/slow.jsonl"])
def test_a_body_that_stands_still_is_408(path: str, hasty: LiveServer) -> None:
    with connected(hasty) as connection:
        connection.sendall(post(b"{", size=1000, path=path, method="PUT" if "uploads" in path else "POST"))
        answer = read(connection)
        assert (answer.status, answer.problem["code"]) == (408, "request_timeout")
        assert ended(connection)


def test_an_upload_that_is_slow_but_moves_arrives(hasty: LiveServer) -> None:
    row = b'{"func": "int f(void) { return 0; }", "target": 0}\n'
    with connected(hasty) as connection:
        connection.sendall(post(row, size=5 * len(row), path="/v1/uploads/slow.jsonl", method="PUT"))
        for _ in range(4):
            # Together longer than the time-out; no answer may come before the last row.
            assert select.select([connection], [], [], 0.4)[0] == []
            connection.sendall(row)
        answer = read(connection)
        assert (answer.status, answer.problem["size_bytes"]) == (201, 5 * len(row))


def test_a_large_upload_arrives(hasty: LiveServer) -> None:
    content = b'{"func": "int f(void) { return 0; }", "target": 0}\n' * 400_000
    answer = httpx.put(f"{hasty.url}/v1/uploads/large.jsonl", content=content, trust_env=False, timeout=PATIENCE_S)
    assert answer.json()["size_bytes"] == len(content)


def test_a_long_poll_outlasts_every_time_out(hasty: LiveServer) -> None:
    experiment = hasty.experiment(hasty.dataset())
    path = f"{hasty.url}/v1/experiments/{experiment}/status"
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        etag = client.get(path).headers["ETag"]
        answer = client.get(f"{path}?wait=2", headers={"If-None-Match": etag})
    assert answer.status_code == 304


def test_a_stream_outlasts_every_time_out(hasty: LiveServer) -> None:
    hasty.dataset()
    with hasty.database.begin() as session:
        claim = claim_next(session, worker="worker-1", queues=["cpu"], lease_s=3600)
        assert claim is not None
    with connected(hasty) as connection:
        connection.sendall(f"GET /v1/runs/{claim.run_id}/logs/stream HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        end = time.monotonic() + 2
        while (left := end - time.monotonic()) > 0:
            if select.select([connection], [], [], left)[0]:
                assert connection.recv(1 << 16) != b""


def test_a_caller_who_takes_nothing_of_an_answer_is_cut(hasty: LiveServer) -> None:
    assert answers(hasty, "/openapi.json") == 200
    url = httpx.URL(hasty.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((url.host, url.port or 0))
        # More than both kernels' buffers hold.
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        waiting = select.poll()
        waiting.register(connection, select.POLLHUP | select.POLLERR)
        assert waiting.poll(1000 * PATIENCE_S)


def test_what_is_no_request_is_a_problem(hasty: LiveServer) -> None:
    with connected(hasty) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        answer = read(connection)
        assert (answer.status, answer.problem["code"]) == (400, "malformed_request")
        assert ended(connection)


def test_trailers_are_no_headers(hasty: LiveServer) -> None:
    head = b"PUT /v1/uploads/t.jsonl HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(hasty) as connection:
        connection.sendall(head + b"1\r\n{\r\n0\r\nX-Request-Id: chosen\r\n\r\n")
        assert read(connection).headers["x-request-id"] != "chosen"


def test_bodies_that_are_read_at_once_have_a_limit_together(hasty: LiveServer) -> None:
    half = b" " * ((1 << 19) + 1)
    with ExitStack() as held:
        waiting = [held.enter_context(connected(hasty)) for _ in range(3)]
        for connection in waiting:
            connection.sendall(post(half, size=len(half) + 400))
        found = sorted(str(read(connection).status) for connection in waiting)
    # One fits, and is too slow then.
    assert found == ["408", "503", "503"]
    assert answers(hasty, "/v1/cells") == 200


@contextmanager
def holding(server: LiveServer, many: int, request: bytes, source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    with ExitStack() as held:
        connections = [held.enter_context(connected(server, source)) for _ in range(many)]
        for connection in connections:
            connection.sendall(request)
        yield connections


def long_poll(server: LiveServer, forwarded_for: str = "") -> bytes:
    """Return a request that is answered in 20 s."""
    path = f"/v1/experiments/{server.experiment(server.dataset())}/status"
    etag = httpx.get(f"{server.url}{path}", trust_env=False, headers={"Connection": "close"}).headers["ETag"]
    extra = f"X-Forwarded-For: {forwarded_for}\r\n" if forwarded_for else ""
    return f"GET {path}?wait=20 HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {etag}\r\n{extra}\r\n".encode()


SHARE = MOST * 3 // 4


@pytest.mark.parametrize("request_start", [b"", START, post(b"{", size=1000)], ids=["silent", "half sent", "body"])
def test_connections_that_wait_keep_nobody_out(request_start: bytes, small: LiveServer) -> None:
    with holding(small, 3 * MOST, request_start) as held:
        # More than one address may have: the oldest had to go.
        assert ended(held[0])
        assert answers(small) == 200
        assert answers(small, "/v1/cells") == 200


def test_a_full_server_says_so_and_still_answers_whether_it_lives(small: LiveServer) -> None:
    poll = long_poll(small)
    with holding(small, SHARE, poll), holding(small, MOST - SHARE, poll, source="127.0.0.2"):
        with connected(small, "127.0.0.3") as refused:
            refused.sendall(WHOLE)
            answer = read(refused)
            assert (answer.status, answer.problem["code"]) == (503, "too_many_connections")
            assert int(answer.headers["retry-after"]) > 0
            assert ended(refused)
        with connected(small, "127.0.0.3") as health:
            health.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read(health).status == 200
        # The reserve cannot be filled either.
        with (
            holding(small, 2 * RESERVE, START, source="127.0.0.4"),
            holding(small, 2 * RESERVE, START, source="127.0.0.5"),
            connected(small, "127.0.0.3") as health,
        ):
            health.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read(health).status == 200


def test_one_address_never_takes_every_connection(small: LiveServer) -> None:
    with holding(small, SHARE, long_poll(small)):
        with connected(small) as refused:
            answer = read(refused)
            assert (answer.status, answer.problem["code"]) == (503, "too_many_connections")
        with connected(small, "127.0.0.2") as other:
            other.sendall(WHOLE)
            assert read(other).status == 200


def test_a_place_is_free_again_when_a_connection_has_ended(small: LiveServer) -> None:
    poll = long_poll(small)
    for _ in range(3):
        with holding(small, SHARE, poll), connected(small) as refused:
            assert read(refused).status == 503
        wait_until_free(small)


def test_behind_a_trusted_proxy_the_address_counts_that_it_names(small: LiveServer) -> None:
    poll = long_poll(small, "192.0.2.1, 203.0.113.9")
    with holding(small, SHARE, poll, source="127.0.0.7"), connected(small, "127.0.0.7") as connection:
        # The first of the list is whatever the caller wrote.
        connection.sendall(START + b"X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n\r\n")
        answer = read(connection)
        assert (answer.status, answer.problem["code"]) == (503, "too_many_connections")
        assert "your address" in answer.problem["detail"]
        with connected(small, "127.0.0.7") as other:
            other.sendall(START + b"X-Forwarded-For: 203.0.113.10\r\n\r\n")
            assert read(other).status == 200


def test_anybody_else_names_no_address(small: LiveServer) -> None:
    with holding(small, SHARE, long_poll(small, "203.0.113.9")), connected(small) as connection:
        connection.sendall(START + b"X-Forwarded-For: 203.0.113.10\r\n\r\n")
        assert read(connection).status == 503


def test_uvicorn_still_has_what_the_limits_rest_on() -> None:
    overridden = {name for name in vars(LimitedProtocol) if callable(getattr(LimitedProtocol, name))}
    ours = {"cut", *(name for name in overridden if name.startswith("_") and not name.startswith("__"))}
    assert overridden - ours <= set(vars(HttpToolsProtocol)) | {"__annotate_func__"}
    used = {"cycle", "pipeline", "scope", "url", "headers", "flow", "app", "transport", "client"}
    assert used <= set(HttpToolsProtocol.__init__.__code__.co_names) | {"url"}
    assert {"response_started", "response_complete", "disconnected", "message_event"} <= set(
        RequestResponseCycle.__init__.__code__.co_names
    )
