"""Who gets a place among the connections, who gives one up, and whose connections count together."""

import resource
from dataclasses import dataclass, replace
from ipaddress import ip_network

import pytest

from service.domain.addresses import counted_as, forwarded_for, parsed
from service.http.connections import ConnectionTable, Place
from service.http.limits import FILES_KEPT, RESERVE, HttpLimits, limits_of, raise_open_files
from service.settings import Settings

LIMITS = HttpLimits(
    header_bytes=1000,
    header_timeout_s=1,
    body_timeout_s=1,
    body_bytes_per_s=1,
    write_timeout_s=1,
    connections=4,
    per_address=3,
)


@dataclass(eq=False)
class Connection:
    """A connection that remembers whether it was given up."""

    is_cut: bool = False

    def cut(self) -> None:
        self.is_cut = True


@dataclass(eq=False)
class Caller:
    """Opens connections from one address."""

    table: ConnectionTable
    address: str | None

    def opens(self, *, at_work: bool = False) -> tuple[Connection, Place]:
        connection = Connection()
        place = self.table.enter(connection, self.address)
        if at_work:
            self.table.works(connection)
        return connection, place


@pytest.fixture
def table() -> ConnectionTable:
    return ConnectionTable(LIMITS)


def test_the_connection_that_has_waited_longest_is_given_up(table: ConnectionTable) -> None:
    waiting = [Caller(table, f"192.0.2.{number}").opens()[0] for number in range(4)]
    table.waits(waiting[0])

    _, place = Caller(table, "192.0.2.9").opens()

    assert place is Place.SERVED
    assert [connection.is_cut for connection in waiting] == [False, True, False, False]
    assert len(table) == 4


def test_a_connection_at_work_is_never_given_up_and_further_ones_get_the_reserve(table: ConnectionTable) -> None:
    at_work = [Caller(table, f"192.0.2.{number}").opens(at_work=True)[0] for number in range(4)]
    places = [Caller(table, f"198.51.100.{number}").opens(at_work=True)[1] for number in range(RESERVE + 2)]

    assert places == [Place.RESERVED] * RESERVE + [Place.NONE] * 2
    assert not any(connection.is_cut for connection in at_work)


def test_in_the_reserve_too_the_one_that_waits_gives_way(table: ConnectionTable) -> None:
    for number in range(4):
        Caller(table, f"192.0.2.{number}").opens(at_work=True)
    waiting = [Caller(table, f"198.51.100.{number}").opens()[0] for number in range(5)]

    assert [connection.is_cut for connection in waiting] == [True, True, True, True, False]


def test_an_address_gives_up_its_own_connections_and_no_others(table: ConnectionTable) -> None:
    other = Caller(table, "192.0.2.1").opens()[0]
    greedy = Caller(table, "192.0.2.2")
    own = [greedy.opens()[0] for _ in range(3)]

    assert greedy.opens()[1] is Place.SERVED
    assert own[0].is_cut
    assert not other.is_cut


def test_an_address_whose_connections_are_at_work_gets_no_more(table: ConnectionTable) -> None:
    greedy = Caller(table, "192.0.2.2")
    connections = [greedy.opens(at_work=True)[0] for _ in range(3)]

    refused, place = greedy.opens()
    assert place is Place.NONE
    table.leave(refused)
    table.leave(refused)
    table.leave(connections[0])
    assert greedy.opens()[1] is Place.SERVED


def test_requests_that_a_proxy_forwards_count_with_their_address(table: ConnectionTable) -> None:
    assert [table.hold("203.0.113.9") for _ in range(4)] == [True, True, True, False]
    assert table.hold("203.0.113.10")
    table.release("203.0.113.9")
    assert table.hold("203.0.113.9")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", None),
        ("", None),
    ],
)
def test_addresses_are_counted_without_ports_and_networks_of_ipv6_as_one(text: str, address: str | None) -> None:
    assert counted_as(parsed(text)) == address


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["198.51.100.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (["10.0.0.7, 10.0.0.8"], None),
        (["198.51.100.1, nonsense"], None),
        ([], None),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy_s_is_the_caller_s(headers: list[str], address: str | None) -> None:
    found = forwarded_for([(b"x-forwarded-for", value.encode()) for value in headers], [ip_network("10.0.0.0/24")])
    assert (None if found is None else str(found)) == address


def test_there_are_no_more_connections_than_files() -> None:
    settings = Settings(max_connections=2048, max_connections_per_address=1536)
    assert limits_of(settings, open_files=8192) == replace(
        limits_of(settings, open_files=8192), connections=2048, per_address=1536
    )
    few = limits_of(settings, open_files=1024)
    assert few.connections + RESERVE + FILES_KEPT == 1024
    assert few.per_address == few.connections * 3 // 4


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        assert raise_open_files() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
