"""What no request waits for: threads that died, and a reconciler that is not there."""

import asyncio
from collections.abc import Collection, Mapping

import pytest
from sqlalchemy import update

from service.api.batch_reader import BatchReader
from service.api.long_poll import VersionWatcher
from service.store.tables import UptimeRow
from service.store.versions import PollState
from service.supervision import Supervision
from service.telemetry.background import BackgroundHealth
from tests.api_client import Api, get
from tests.lapsed_leases import HandClock


def background(api: Api) -> dict[str, object]:
    """The line of /readyz about background work."""
    found: dict[str, object] = get(api, "/readyz")["checks"]["background"]
    return found


def test_a_thread_that_died_is_a_line_in_readyz_and_a_metric_without_its_message(api: Api) -> None:
    assert background(api)["ok"]
    Supervision("reconciler", api.database).report("webhook-sender", UnicodeError("label of secret.example"))

    found = background(api)

    assert not found["ok"]
    assert str(found["detail"]).startswith("webhook-sender (reconciler) has ended unexpectedly 1 time(s)")
    assert "UnicodeError" in str(found["detail"])
    assert "secret" not in str(found["detail"])
    metrics = api.client.get("/metrics").text
    assert 'cellgate_thread_deaths_total{process="reconciler",thread="webhook-sender"} 1.0' in metrics


def test_a_reconciler_that_stands_still_is_named_once_that_is_proven(api: Api) -> None:
    clock = HandClock()
    health = BackgroundHealth(clock=clock)
    assert health.check(api.database).ok
    clock.pass_by(31)
    assert not health.check(api.database).ok

    with api.database.begin() as session:
        session.execute(update(UptimeRow).values(seconds=UptimeRow.seconds + 2))
    assert health.check(api.database).ok


def test_a_long_poll_is_answered_although_one_look_raised_what_nobody_expected() -> None:
    looks: list[int] = []
    reported: list[str] = []

    def read(_: Collection[str]) -> Mapping[str, int]:
        looks.append(1)
        if len(looks) == 1:
            raise KeyError("a bug")
        return {"run_0": 2}

    async def wait() -> None:
        watcher = VersionWatcher(read, lambda name, error: reported.append(f"{name}: {type(error).__name__}"))
        await asyncio.wait_for(watcher.wait_for_version("run_0", 1, timeout_s=600), 60)

    asyncio.run(wait())

    assert reported == ["long polls: KeyError"]
    assert len(looks) == 2


def test_a_reader_of_poll_states_hands_every_error_to_those_who_wait() -> None:
    def read(_: Collection[str]) -> dict[str, PollState]:
        raise KeyError("a bug")

    async def ask() -> None:
        reader = BatchReader(read)
        await asyncio.wait_for(reader.of("run_0"), 60)

    with pytest.raises(KeyError, match="a bug"):
        asyncio.run(ask())
