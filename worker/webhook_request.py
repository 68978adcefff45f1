"""One try of one delivery: a signed request to an address that was checked, within a time limit."""

import asyncio
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from service.dns import resolve
from service.domain.errors import InvalidSpec
from service.domain.trainer_events import storable
from service.domain.webhooks import signature
from service.store.deliveries import Due, Outcome

TIMEOUT_S = 10.0
LONGEST_ERROR = 500
T = TypeVar("T")


async def try_delivery(due: Due, *, allow_private: bool, tls: ssl.SSLContext) -> Outcome:
    """Send one delivery and return how that ended, whatever happens.

    Args:
        due: The delivery.
        allow_private: Whether addresses of private networks are allowed.
        tls: Checks the receivers' certificates; making one takes too long to do so for each try.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            status = await _send(due, allow_private=allow_private, tls=tls)
    except TimeoutError:
        return Outcome(due=due, status=None, error=f"no answer within {TIMEOUT_S:g} s")
    except InvalidSpec as refusal:
        return Outcome(due=due, status=None, error=refusal.detail)
    # A receiver, or its name, may break the libraries in any way: that is its failure, not the sender's.
    except Exception as error:  # noqa: BLE001 - kept with the delivery
        return Outcome(due=due, status=None, error=storable(f"{type(error).__name__}: {error}"[:LONGEST_ERROR]))
    return Outcome(due=due, status=status, error=None if 200 <= status < 300 else f"it answered {status}")


async def _send(due: Due, *, allow_private: bool, tls: ssl.SSLContext) -> int:
    """Return the status of the answer.

    The host name is resolved once, and the request goes to the address that was checked: a name that resolves to
    another address a moment later has no effect. Redirects are not followed.
    """
    parts = urlsplit(due.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = await _address(host, port, allow_private=allow_private)
    url = httpx.URL(due.url).copy_with(host=address)
    timestamp = int(time.time())
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "Cellgate",
        "webhook-id": due.delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(due.secret, message_id=due.delivery_id, timestamp=timestamp, body=due.body),
    }
    # A client of its own: a connection to this address may be one to another host.
    async with (
        httpx.AsyncClient(verify=tls, timeout=TIMEOUT_S, trust_env=False) as client,
        client.stream(
            "POST", url, content=due.body.encode(), headers=headers, extensions={"sni_hostname": host}
        ) as response,
    ):
        # The body is not read, however long it is.
        return response.status_code


async def _address(host: str, port: int, *, allow_private: bool) -> str:
    def look_up() -> str:
        return resolve(host, port, allow_private=allow_private)[0]

    with suppress(ValueError):
        ipaddress.ip_address(host)
        return look_up()
    return await _in_thread(look_up)


async def _in_thread(work: Callable[[], T]) -> T:
    """Return what the work returns, done in a thread that nobody waits for: name servers may take half a minute."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # the work's own type

    def run() -> None:
        try:
            ended: tuple[T | None, BaseException | None] = (work(), None)
        except Exception as error:  # noqa: BLE001 - handed on
            ended = (None, error)
        # The loop may have ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, *ended)

    threading.Thread(target=run, name="webhook-name", daemon=True).start()
    return await done
