"""Webhooks are signed as receivers expect, tried for hours, and never sent where they may not go."""

import base64
import hashlib
import hmac

import pytest

from service.domain.errors import InvalidSpec
from service.domain.webhooks import WAITS_S, check_url, new_signing_secret, next_wait_s, refuse_private, signature


def test_a_signature_is_that_of_the_standard() -> None:
    # the example of the specification's reference libraries
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = '{"test": 2432232314}'

    found = signature(secret, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body)

    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_is_an_hmac_of_id_time_and_body_under_the_secret() -> None:
    secret = new_signing_secret()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = hmac.digest(key, "dlv_1.1700000000.{ü}".encode(), hashlib.sha256)

    found = signature(secret, message_id="dlv_1", timestamp=1_700_000_000, body="{ü}")

    assert len(key) == 32
    assert found == "v1," + base64.b64encode(expected).decode()


def test_a_delivery_is_tried_eight_times_over_hours() -> None:
    waits = [next_wait_s(tries) for tries in range(1, 10)]

    assert waits == [*WAITS_S, None, None]
    assert 8 * 3600 < sum(WAITS_S) < 24 * 3600
    assert list(WAITS_S) == sorted(WAITS_S)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "https://",
        "example.org/hook",
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://example.org:0/",
        "https://example.org:70000/",
        "https://[::1/",
        "https://example.org/#part",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_url_to_post_to_is_refused(url: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        check_url(url)
    assert [mistake.pointer for mistake in refused.value.mistakes] == ["/url"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
    ],
)
def test_no_address_of_this_machine_or_of_a_private_network_gets_a_delivery(address: str) -> None:
    with pytest.raises(InvalidSpec, match="no public address"):
        refuse_private("example.org", ["93.184.215.14", address])


def test_public_addresses_get_deliveries() -> None:
    check_url("https://example.org:8443/hooks?team=core")
    refuse_private("example.org", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
