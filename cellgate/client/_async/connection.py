"""Requests to one server: retries that are safe, long polls, pages, streams, downloads."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel

from cellgate.client.blocking import AsyncSleep, async_blocks, async_sleep
from cellgate.client.defaults import (
    DEFAULT_SERVER,
    FIRST_PATIENCE_S,
    HOLD_S,
    PACE_S,
    PAGE_SIZE,
    PATIENCE_S,
    TIMEOUT_S,
)
from cellgate.client.errors import checked
from cellgate.client.requests import AWAY, Call, Patience, with_query
from cellgate.client.routes import route_to
from cellgate.client.streams import Download
from cellgate.contract.api.common import Page
from cellgate.contract.files import atomic_file

A = TypeVar("A")
M = TypeVar("M", bound=BaseModel)


class AsyncConnection:
    """Requests to one server.

    Every POST carries an `Idempotency-Key`, the same for all tries: the server answers a repeated try again and does
    not repeat the work.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        patience_s: float = PATIENCE_S,
        sleep: AsyncSleep = async_sleep,
    ) -> None:
        self.server = server.rstrip("/")
        self._patience_s = patience_s
        self._sleep = sleep
        self._was_there = False
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._route = route_to(self.server)
        self._http = httpx.AsyncClient(
            base_url=self.server,
            headers=headers,
            timeout=TIMEOUT_S,
            transport=transport,
            # httpx would send loopback through a proxy, and knows no networks in NO_PROXY. SSL_CERT_FILE still counts.
            trust_env=False,
            proxy=self._route.proxy if transport is None else None,
            verify=httpx.create_ssl_context(trust_env=True),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def json(self, path: str) -> Any:
        """Return the resource at `path` as plain JSON values."""
        return await self._get(path, object)

    async def follow(self, path: str, model: type[M], *, ended: Callable[[M], bool]) -> AsyncIterator[M]:
        """Yield the resource at `path`, and again after each change, until it has ended.

        Args:
            path: Path of a resource that has an ETag.
            model: Type of the resource.
            ended: Returns true for the last state.
        """
        etag = ""
        while True:
            headers = {"If-None-Match": etag} if etag else {}
            call = Call(method="GET", path=f"{path}?wait={HOLD_S}", answer=model, headers=headers)
            answer = await self._send(call)
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                etag = answer.headers.get("ETag", "")
                found = call.parsed(answer, self._route)
                yield found
                if ended(found):
                    return
            await self._sleep(PACE_S)

    async def _get(self, path: str, answer: type[A], *, headers: Mapping[str, str] | None = None) -> A:
        return await self._ask(Call(method="GET", path=path, answer=answer, headers=headers or {}))

    async def _post(self, path: str, answer: type[A], body: Mapping[str, Any] | None = None) -> A:
        headers = {"Idempotency-Key": str(uuid4())}
        sent = None if body is None else dict(body)
        return await self._ask(Call(method="POST", path=path, answer=answer, body=sent, headers=headers))

    async def _pages(self, path: str, answer: type[Page[A]], filters: Mapping[str, Any]) -> AsyncIterator[A]:
        after = None
        while True:
            page = await self._get(with_query(path, {**filters, "limit": PAGE_SIZE, "after": after}), answer)
            for item in page.items:
                yield item
            if page.next is None:
                return
            after = page.next

    async def _ask(self, call: Call[A]) -> A:
        return call.parsed(await self._send(call), self._route)

    async def _send(self, call: Call[Any]) -> httpx.Response:
        patience, lost = self._patience(), False
        while True:
            try:
                answer = await self._try(call)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise self._route.away(str(error)) from error
            except httpx.TransportError as error:
                reason = self._route.broken(error)
                # Where no connection was made, nothing was sent.
                lost = lost or not isinstance(error, httpx.ConnectError)
            else:
                if answer.status_code not in AWAY:
                    missing = answer.status_code == httpx.codes.NOT_FOUND and not self._route.by_proxy(answer)
                    if lost and missing and call.done is not None:
                        return httpx.Response(httpx.codes.OK, json=call.done)
                    return self._answered(answer)
                reason = self._route.unavailable(answer)
                lost = lost or answer.status_code != httpx.codes.SERVICE_UNAVAILABLE
            await self._sleep(patience.pause_s(reason))

    async def _try(self, call: Call[Any]) -> httpx.Response:
        headers = dict(call.headers)
        if call.file is None:
            return await self._http.request(call.method, call.path, json=call.body, headers=headers)
        with call.file.open("rb") as content:
            return await self._http.request(call.method, call.path, content=async_blocks(content), headers=headers)

    async def _save(self, path: str, target: Path) -> None:
        try:
            with atomic_file(target) as file:
                async with self._opened(path, {}) as answer:
                    async for block in answer.aiter_bytes():
                        file.write(block)
        except httpx.TransportError as error:
            raise self._route.away(self._route.broken(error)) from error

    async def _download(self, path: str, target: Path) -> None:
        with atomic_file(target) as file:
            download = Download(to=file)
            patience = self._patience()
            while not download.complete:
                before = download.done
                try:
                    async with self._opened(path, download.headers) as answer:
                        download.begin(answer)
                        async for block in answer.aiter_raw():
                            download.write(block)
                except httpx.TransportError as error:
                    if download.done != before:
                        patience = self._patience()
                    await self._sleep(patience.pause_s(self._route.broken(error)))
            download.check(path)

    @asynccontextmanager
    async def _opened(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        async with self._http.stream("GET", path, headers=dict(headers)) as answer:
            if answer.status_code in AWAY:
                raise httpx.RemoteProtocolError(self._route.unavailable(answer))
            if answer.is_error:
                await answer.aread()
            yield self._answered(answer)

    def _answered(self, answer: httpx.Response) -> httpx.Response:
        if self._route.by_proxy(answer):
            return checked(answer, by=f"the proxy {self._route.proxy_name}, in place of {self.server},")
        self._was_there = True
        return checked(answer)

    def _patience(self) -> Patience:
        patience_s = self._patience_s if self._was_there else min(self._patience_s, FIRST_PATIENCE_S)
        return Patience(self._route, patience_s)
