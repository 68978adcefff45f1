"""No link to PostgreSQL that breaks without a word, and no server that says nothing, holds a process for ever."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.database_outages import describe_outage
from tests.faults.links import WAYS, Link, Links

SILENCE_S = 0.3


@pytest.fixture
def link(postgres_url: str) -> Iterator[Link]:
    """A link to the PostgreSQL server, which acknowledges what it holds back."""
    folder = make_url(postgres_url).query["host"]
    with Links() as links:
        yield links.to_socket(f"{folder}/.s.PGSQL.5432")


def linked(postgres_url: str, link: Link, **query: str) -> str:
    return make_url(postgres_url).set(host="127.0.0.1", port=link.port, query=query).render_as_string(False)


def ask(session: Session) -> None:
    session.execute(text("SELECT 1"))


def say_nothing(session: Session) -> None:
    """Leave the commit to be what waits."""


def cut_between(database: Database, cut: Callable[[], None], step: Callable[[Session], None]) -> None:
    """Write, cut the link, and go on: with a step, or with the commit."""
    with database.begin() as session:
        session.execute(text("CREATE TABLE made (n integer)"))
        cut()
        step(session)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", [ask, say_nothing])
def test_a_statement_or_commit_that_gets_no_answer_ends_while_the_link_is_still_cut(
    postgres_url: str, link: Link, step: Callable[[Session], None], way: str
) -> None:
    database = Database(linked(postgres_url, link), silence_s=SILENCE_S)
    with ExitStack() as cut, pytest.raises(OperationalError) as error:
        cut_between(database, lambda: cut.enter_context(link.cut(way)), step)
    with database.begin() as session:
        ask(session)
    database.dispose()

    assert "did not answer in time" in describe_outage(error.value)


def test_a_pooled_connection_and_a_new_one_are_given_up_as_well(postgres_url: str, link: Link) -> None:
    database = Database(linked(postgres_url, link, connect_timeout="2"), silence_s=SILENCE_S)
    with database.begin() as session:
        ask(session)
    with link.cut("down"), pytest.raises(OperationalError), database.begin() as session:
        ask(session)
    database.dispose()


def test_a_statement_that_moves_bytes_in_time_may_take_longer_than_the_silence(postgres_url: str, link: Link) -> None:
    database = Database(linked(postgres_url, link), silence_s=SILENCE_S)
    notice = "DO $$ BEGIN FOR n IN 1..8 LOOP PERFORM pg_sleep(0.08); RAISE NOTICE 'going on'; END LOOP; END $$"
    with database.begin() as session:
        session.execute(text(notice))
    database.dispose()


def test_the_kernel_ends_a_link_whose_packets_are_lost_unless_the_url_has_limits_of_its_own(
    postgres_url: str, link: Link
) -> None:
    assert kernel_limits(linked(postgres_url, link)) == (10, 5, 3, 25_000)
    own = {"keepalives_idle": "60", "tcp_user_timeout": "90000"}
    assert kernel_limits(linked(postgres_url, link, **own)) == (60, 5, 3, 90_000)


def kernel_limits(url: str) -> tuple[int, ...]:
    """Return a connection's keepalive idle time, interval and count, and its user timeout in milliseconds."""
    database = Database(url)
    try:
        with database.read() as session:
            connection = session.connection().connection.driver_connection
            assert connection is not None
            with socket.socket(fileno=os.dup(connection.pgconn.socket)) as same:
                options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
                return tuple(same.getsockopt(socket.IPPROTO_TCP, option) for option in options)
    finally:
        database.dispose()
