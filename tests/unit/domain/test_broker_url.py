"""The broker's URL: every form in its parts, every mistake named, no password shown."""

import pytest

from service.domain.broker_url import BrokerUrl, InvalidBrokerUrl, parse_broker_url

VERIFIED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("redis://host", BrokerUrl(hosts=(("host", 6379),))),
        ("redis://host:1/7", BrokerUrl(hosts=(("host", 1),), database=7)),
        ("redis://:p%2Fw@host", BrokerUrl(hosts=(("host", 6379),), password="p/w")),
        ("redis://me:pw@[::1]:2/0", BrokerUrl(hosts=(("::1", 2),), username="me", password="pw")),
        ("rediss://host", BrokerUrl(hosts=(("host", 6379),), tls=VERIFIED)),
        (
            "rediss://host?ssl_ca_certs=/ca.pem",
            BrokerUrl(hosts=(("host", 6379),), tls={**VERIFIED, "ssl_ca_certs": "/ca.pem"}),
        ),
        (
            "rediss://host?ssl_cert_reqs=none",
            BrokerUrl(hosts=(("host", 6379),), tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ),
        ("redis+socket:///run/b.sock?virtual_host=3", BrokerUrl(socket="/run/b.sock", database=3)),
        (
            "sentinel://me:pw@a:1;b;c:3/2?master_name=queue",
            BrokerUrl(
                hosts=(("a", 1), ("b", 26379), ("c", 3)), database=2, username="me", password="pw", master="queue"
            ),
        ),
        (
            "sentinel://a:1;sentinel://b:2?master_name=queue",
            BrokerUrl(hosts=(("a", 1), ("b", 2)), master="queue"),
        ),
        (
            "sentinels://a?master_name=q&sentinel_username=s&sentinel_password=t",
            BrokerUrl(hosts=(("a", 26379),), master="q", sentinel_username="s", sentinel_password="t", tls=VERIFIED),
        ),
    ],
)
def test_a_url_is_taken_apart(url: str, parts: BrokerUrl) -> None:
    assert parse_broker_url(url) == parts


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("", ["redis://"]),
        ("me:secret@host", ["redis://"]),
        ("amqp://me:secret@host", ["redis://"]),
        ("redis://me:secret@", ["host is missing"]),
        ("redis://me:secret@host:port", ["port is no number"]),
        ("redis://me:secret@host:70000", ["port is no number"]),
        ("redis://me:secret@host/jobs?db=1", ["database is no number", "unknown parameters db"]),
        ("redis://me:secret@host?ssl_ca_certs=ca", ["unknown parameters ssl_ca_certs"]),
        ("redis://me:secret@a;b", ["several hosts"]),
        ("rediss://me:secret@a?ssl_cert_reqs=perhaps", ["ssl_cert_reqs"]),
        ("sentinel://me:secret@a;b", ["master_name is missing"]),
        ("redis+socket://me:secret@run", ["absolute path"]),
    ],
)
def test_every_mistake_in_a_url_is_named_and_no_password_shown(url: str, named: list[str]) -> None:
    with pytest.raises(InvalidBrokerUrl) as error:
        parse_broker_url(url)

    assert all(name in str(error.value) for name in named), str(error.value)
    assert "secret" not in str(error.value)


def test_a_url_shows_no_password_in_its_text() -> None:
    shown = repr(parse_broker_url("sentinel://me:secret@a?master_name=q&sentinel_password=hidden"))

    assert "secret" not in shown
    assert "hidden" not in shown
