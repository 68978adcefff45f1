"""Answers of the connection itself, in place of the app's: problem documents, after which the connection ends."""

from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from cellgate.contract.api.problem import Problem
from service.api.problems import RETRY_AFTER_S, status_of
from service.api.responses import MEDIA_TYPE
from service.domain.errors import ServiceError

Headers = list[tuple[bytes, bytes]]


def refusal_bytes(error: ServiceError) -> bytes:
    """Return a whole response, head and body, for a connection that the app does not answer on."""
    status, headers, body = _parts(error)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), *(b": ".join(header) for header in headers)]
    return b"\r\n".join([*head, b"", body])


class RefusingApp:
    """An app that refuses every request with the same error.

    Args:
        error: Why.
    """

    def __init__(self, error: ServiceError) -> None:
        self._status, self._headers, self._body = _parts(error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Answer; the request's body is not read."""
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": self._status.value, "headers": self._headers})
            await send({"type": "http.response.body", "body": self._body})


def _parts(error: ServiceError) -> tuple[HTTPStatus, Headers, bytes]:
    status = status_of(error)
    problem = Problem(title=status.phrase, status=status.value, code=error.code, detail=error.detail)
    body = problem.model_dump_json().encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    return status, headers, body
