"""What a run printed and left behind, over HTTP: followed live, and downloaded so that a cut costs nothing."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from cellgate.client import calls
from cellgate.client.calls import Call, ClientError, Patience
from cellgate.client.client import Client
from cellgate.contract.api.runs import ArtifactAnswer, AttemptAnswer, LogChunk, LogPage
from cellgate.contract.files import atomic_file

JSON = {"Accept": "application/json"}


class Damaged(ClientError):
    """What was downloaded is not the file that the server has."""


@dataclass(kw_only=True)
class _Download:
    """How far a download has come."""

    to: IO[bytes]
    etag: str = ""
    size: int = -1
    done: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def headers(self) -> dict[str, str]:
        return {"Range": f"bytes={self.done}-", "If-Range": self.etag} if self.done else {}

    def take(self, answer: httpx.Response) -> None:
        if answer.status_code == httpx.codes.OK:
            self._begin(answer)
        for block in answer.iter_raw():
            self.to.write(block)
            self.digest.update(block)
            self.done += len(block)

    def _begin(self, answer: httpx.Response) -> None:
        self.to.seek(0)
        self.to.truncate()
        self.done, self.digest = 0, hashlib.sha256()
        self.etag, self.size = answer.headers["ETag"], int(answer.headers["Content-Length"])


class OutputClient(Client):
    """A client that also reads what runs printed and left behind."""

    def attempts(self, run_id: str) -> list[AttemptAnswer]:
        """Return every try at a run, first to last."""
        return self.ask(Call(method="GET", path=f"/v1/runs/{run_id}/attempts", answer=TypeAdapter(list[AttemptAnswer])))

    def artifacts(self, run_id: str) -> list[ArtifactAnswer]:
        """Return the files that a run has left."""
        path = f"/v1/runs/{run_id}/artifacts"
        return self.ask(Call(method="GET", path=path, answer=TypeAdapter(list[ArtifactAnswer])))

    def logs(self, run_id: str, *, attempt: int | None = None) -> Iterator[LogChunk]:
        """Yield what a run has printed until now, oldest first; `attempt`: only that one's."""
        after: dict[str, str] = {}
        while True:
            path = f"/v1/runs/{run_id}/logs?{httpx.QueryParams({**_of(attempt), **after})}"
            page = self.ask(Call(method="GET", path=path, answer=TypeAdapter(LogPage), headers=JSON))
            yield from page.chunks
            if not page.chunks or page.next is None:
                return
            after = {"after": page.next}

    def follow_logs(self, run_id: str, *, attempt: int | None = None) -> Iterator[LogChunk]:
        """Yield what a run has printed and will print, until it has ended; goes on where it was cut."""
        path = f"/v1/runs/{run_id}/logs/stream?{httpx.QueryParams(_of(attempt))}"
        cursor: dict[str, str] = {}
        patience = self._patience()
        while True:
            try:
                with self._opened(path, cursor) as answer:
                    for identifier, kind, data in _events(answer.iter_lines()):
                        if kind == "end":
                            return
                        cursor = {"Last-Event-ID": identifier}
                        yield LogChunk.model_validate_json(data)
                        patience = self._patience()
                reason = "the stream ended before the run"
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            self._sleep(patience.pause_s(reason))

    def download_artifact(self, run_id: str, name: str, path: Path) -> None:
        """Write a file that a run has left to `path`, whole or not at all; goes on where it was cut.

        Raises:
            Damaged: What arrived has another hash than the server said.
            OSError: It cannot be written.
        """
        with atomic_file(path) as to:
            self._fetch(f"/v1/runs/{run_id}/artifacts/{quote(name)}", _Download(to=to))

    def download_bundle(self, bundle_id: str, target: Path) -> None:
        """Write a bundle's archive to a file, whole or not at all.

        Raises:
            Refused: There is no such bundle, or it is not ready.
            OSError: The file cannot be written.
        """
        self._save(f"/v1/bundles/{bundle_id}/archive", target)

    def download_report(self, experiment_id: str, target: Path) -> None:
        """Write an experiment's report to a file, as one HTML page, whole or not at all.

        Raises:
            Refused: There is no such experiment, or cell 54 has not weighed anything yet.
            OSError: The file cannot be written.
        """
        self._save(f"/v1/experiments/{experiment_id}/report.html", target)

    def _save(self, path: str, target: Path) -> None:
        with atomic_file(target) as file, self._opened(path, {}) as answer:
            for chunk in answer.iter_bytes():
                file.write(chunk)

    def _fetch(self, path: str, download: _Download) -> None:
        patience = self._patience()
        while download.done != download.size:
            before = download.done
            try:
                with self._opened(path, download.headers) as answer:
                    download.take(answer)
            except httpx.TransportError as error:
                if download.done != before:
                    patience = self._patience()
                self._sleep(patience.pause_s(str(error) or type(error).__name__))
        if f'"{download.digest.hexdigest()}"' != download.etag:
            said = download.etag.strip('"')
            raise Damaged(
                f"{path} arrived with SHA-256 {download.digest.hexdigest()}, the server said {said}: try again"
            )

    @contextmanager
    def _opened(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        with self._http.stream("GET", path, headers=dict(headers)) as answer:
            if answer.status_code in calls.AWAY:
                raise httpx.RemoteProtocolError(f"status {answer.status_code}")
            if answer.is_error:
                answer.read()
            self._was_there = True
            yield calls.checked(answer)

    def _patience(self) -> Patience:
        return Patience(self.server, self._patience_s if self._was_there else calls.FIRST_PATIENCE_S)


def _of(attempt: int | None) -> dict[str, str]:
    return {} if attempt is None else {"attempt": str(attempt)}


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Yield id, kind and data of each event."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            found[name] = value
        elif "data" in found:
            yield found.get("id", ""), found["event"], found["data"]
            found = {}
