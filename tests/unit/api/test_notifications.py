"""Workers are notified of queued runs after the answer, and once for many requests."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from service.api.notifications import Notifications
from service.settings import Settings
from service.store.database import Database
from tests.api_client import RecordingNotifier


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The migrated database."""
    found = Database(settings.database)
    yield found
    found.dispose()


def test_requests_that_come_during_a_round_share_the_next_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, go_on = [], threading.Event()

    def notify(*_: object) -> None:
        rounds.append(len(rounds))
        go_on.wait(10)

    monkeypatch.setattr("service.api.notifications.notify_waiting_runs", notify)

    async def scenario() -> None:
        notifications = Notifications(database, RecordingNotifier())
        first = asyncio.create_task(notifications.send())
        while not rounds:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(notifications.send()) for _ in range(5)]
        await asyncio.sleep(0.01)
        # What they have queued may have come too late for the round that is at work.
        assert rounds == [0]
        go_on.set()
        await asyncio.gather(first, *others)

    asyncio.run(scenario())
    assert rounds == [0, 1]


def test_a_caller_who_leaves_does_not_take_the_round_of_the_others_along(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    monkeypatch.setattr("service.api.notifications.notify_waiting_runs", lambda *_: rounds.append(1))

    async def scenario() -> None:
        notifications = Notifications(database, RecordingNotifier())
        leaves, stays = (asyncio.create_task(notifications.send()) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        await stays

    asyncio.run(scenario())
    assert rounds == [1]
