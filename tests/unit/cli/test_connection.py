"""What a command does about a server's address that is wrong, and about one where nobody answers."""

import sys

import httpx
import pytest

from cellgate.cli.main import main
from cellgate.client.errors import ServerAway


def code_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["cellgate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network on which every connection is refused, and a client that waits for none."""

    def refuse(*_: object, **__: object) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", refuse)
    monkeypatch.setattr("cellgate.client._sync.connection.FIRST_PATIENCE_S", 0.0)


@pytest.mark.parametrize(
    "server", ["foo", "localhost:8451", "ftp://host", "http://", "http://[", "http://host:port", ""]
)
def test_an_address_that_is_no_url_is_a_wrong_setting(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CELLGATE_SERVER", server)

    code = code_of(monkeypatch, "ls") if server else code_of(monkeypatch, "--server", "", "ls")

    assert code == 2
    error = capsys.readouterr().err
    assert f"the server is {server!r}, expected a URL such as http://127.0.0.1:8451" in error
    assert "CELLGATE_SERVER" in error


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("server", ["http://host", "https://host:8451/prefix"])
def test_a_server_that_does_not_answer_is_named_with_what_to_do(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(monkeypatch, "--server", server, "ls") == 4

    error = " ".join(capsys.readouterr().err.split())
    assert f"no answer from {server} (refused): start it with `cellgate up`" in error
    assert "--server" in error


def test_the_client_s_own_message_names_server_and_reason_alone() -> None:
    assert str(ServerAway("http://host", "refused")) == "no answer from http://host (refused)"
