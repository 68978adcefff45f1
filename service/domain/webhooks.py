"""Rules of webhooks: events, signatures, retries and allowed addresses. Pure.

Source:
    Standard Webhooks, github.com/standard-webhooks/standard-webhooks (headers, signature, secrets).
"""

import base64
import hashlib
import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from service.domain.errors import InvalidSpec, Mistake

SECRET_MARK = "whsec_"
SECRET_BYTES = 32
# Seconds to wait after each failed try; after the last one the delivery has failed.
WAITS_S = (5.0, 25.0, 120.0, 600.0, 1_800.0, 7_200.0, 21_600.0)
MOST_WEBHOOKS = 50
# Failed tries of a webhook in a row after which its circuit opens: then one delivery at a time probes it.
OPEN_AFTER = 5
# Seconds from a failed probe to the next one; the last value repeats.
PROBE_PAUSES_S = (5.0, 25.0, 120.0, 600.0)
# Of uptime: a delivery that waited for longer, most likely behind an open circuit, is given up.
GIVE_UP_AFTER_S = 43_200.0


def new_signing_secret() -> str:
    """Return a new signing secret."""
    return SECRET_MARK + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, *, message_id: str, timestamp: int, body: str) -> str:
    """Return the `webhook-signature` header.

    Args:
        secret: Signing secret of the webhook.
        message_id: The `webhook-id` header; the same at every try.
        timestamp: The `webhook-timestamp` header: time of this try in seconds since the epoch.
        body: The exact text that is sent.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_MARK))
    signed = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def next_wait_s(tries: int) -> float | None:
    """Return the seconds to wait after `tries` failed tries; None if there is no further try."""
    return WAITS_S[tries - 1] if tries <= len(WAITS_S) else None


def probe_pause_s(failures: int) -> float | None:
    """Return the seconds to the next probe after so many failures in a row; None while the circuit is closed."""
    if failures < OPEN_AFTER:
        return None
    return PROBE_PAUSES_S[min(failures - OPEN_AFTER, len(PROBE_PAUSES_S) - 1)]


def check_url(url: str) -> None:
    """Check that deliveries can be sent to a URL.

    Raises:
        InvalidSpec: It is no http(s) URL with a host, or contains a user, password or fragment.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused(f"found {url!r}, expected a URL such as https://example.org/hooks") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise _refused(f"found {url!r}, expected a URL such as https://example.org/hooks")
    _check_host(parts.hostname, url)
    if parts.username is not None or parts.password is not None:
        raise _refused("found a user or a password in it: check the signature at the other end instead")
    if parts.fragment:
        raise _refused("found a fragment in it, which is never sent: leave it out")


def _check_host(host: str, url: str) -> None:
    # A twentieth of the API's start, and few ever add a webhook.
    import httpx

    # getaddrinfo encodes names by IDNA 2003, httpx by IDNA 2008: a request needs both.
    try:
        host.encode("idna")
        httpx.URL(url)
    except (UnicodeError, httpx.InvalidURL) as error:
        raise _refused(
            f"found the host {host!r}, which is no host name ({error}): expected labels of 1 to 63 characters"
        ) from None


def refuse_private(host: str, addresses: list[str]) -> None:
    """Check that every address of a host belongs to the public Internet.

    Raises:
        InvalidSpec: One of them belongs to this machine or a private network.
    """
    private = [address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_global]
    if private:
        raise _refused(
            f"{host} is {', '.join(private)}, which is no public address: CELLGATE_WEBHOOK_ALLOW_PRIVATE=true allows it"
        )


def _refused(detail: str) -> InvalidSpec:
    return InvalidSpec(detail, mistakes=[Mistake(pointer="/url", detail=detail)])
