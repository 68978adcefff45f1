"""Requests and their retries as plain values, for both clients. Nothing here sends anything."""

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote, urlencode

import httpx
from pydantic import TypeAdapter, ValidationError

from cellgate.client.defaults import FIRST_RETRY_S, SLOWEST_RETRY_S
from cellgate.client.errors import OtherRelease
from cellgate.client.routes import Route

# How a proxy reports that the server behind it is away: nothing was done, or the Idempotency-Key makes it harmless.
AWAY = frozenset({502, 503, 504})
Verb = Literal["cancel", "pause", "resume", "retry"]
ResourceKind = Literal["experiments", "jobs", "runs"]
Collection = Literal["experiments", "jobs", "runs", "datasets", "bundles", "uploads"]
A = TypeVar("A")


@dataclass(frozen=True, kw_only=True)
class Call(Generic[A]):
    """One request.

    Args:
        answer: Type of the answer's JSON.
        body: Body, sent as JSON.
        file: File sent as the body instead.
        headers: Headers of every try.
        done: JSON of the answer where a repeated try finds nothing: the one whose answer was lost has done it.
    """

    method: str
    path: str
    answer: type[A]
    body: Mapping[str, Any] | None = None
    file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    done: Mapping[str, Any] | None = None

    def parsed(self, answer: httpx.Response, route: Route) -> A:
        """Return the answer's JSON as a value of its type.

        Raises:
            ServerAway: Something else than Cellgate answers at this address.
            OtherRelease: The answer lacks what this release expects, as those of older servers do.
        """
        try:
            return TypeAdapter(self.answer).validate_json(answer.content)
        except ValidationError as error:
            mistakes = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors() if one["loc"]]
            if mistakes:
                raise OtherRelease(route.server, self.path, mistakes) from error
            raise route.away(f"{self.path} answers with something that is not Cellgate's: {error}") from error


def path_to(*segments: str) -> str:
    """Return a path of the API. Each segment stays one, whatever it holds: the server decides which ids there are."""
    return "/".join(["/v1", *(quote(segment, safe="") for segment in segments)])


def with_query(path: str, parameters: Mapping[str, Any]) -> str:
    """Return the path with its query; parameters that are None or empty are left out."""
    given = {name: value for name, value in parameters.items() if value not in (None, (), [])}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def upload_headers(file: Path) -> dict[str, str]:
    """Return the headers of an upload, with the file's size and SHA-256.

    Raises:
        OSError: The file cannot be read.
    """
    with file.open("rb") as content:
        digest = base64.b64encode(hashlib.file_digest(content, "sha256").digest()).decode()
    return {
        "Content-Digest": f"sha-256=:{digest}:",
        "Content-Length": str(file.stat().st_size),
        "Content-Type": "application/octet-stream",
    }


class Patience:
    """How long a client goes on trying.

    Args:
        route: The way to the server, for the error.
        patience_s: Seconds from now to the last try.
    """

    def __init__(self, route: Route, patience_s: float) -> None:
        self._route = route
        self._deadline = time.monotonic() + patience_s
        self._wait_s = FIRST_RETRY_S

    def pause_s(self, reason: str) -> float:
        """Return the seconds to wait before the next try.

        Raises:
            ServerAway: The patience has ended.
        """
        if time.monotonic() + self._wait_s > self._deadline:
            raise self._route.away(reason)
        pause_s, self._wait_s = self._wait_s, min(2 * self._wait_s, SLOWEST_RETRY_S)
        return pause_s
