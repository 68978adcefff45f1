"""Workers are notified of queued runs after the answer, and in one round for many requests."""

import asyncio
import threading

from service.api.notifications import Notifications


class SlowNotifier:
    """Sends nothing before it may."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.may_send = threading.Event()

    def notify(self, run_id: str, _queue: str) -> bool:
        """Note the run, then wait."""
        self.sent.append(run_id)
        return self.may_send.wait(10)

    def problem(self) -> str | None:
        """Nothing is wrong."""
        return None


def test_requests_that_come_during_a_round_share_the_next_one() -> None:
    notifier = SlowNotifier()

    async def scenario() -> None:
        notifications = Notifications(notifier)
        first = asyncio.create_task(notifications.send([("run_0", "cpu")]))
        while not notifier.sent:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(notifications.send([(f"run_{number}", "cpu")])) for number in range(1, 6)]
        await asyncio.sleep(0.01)
        assert notifier.sent == ["run_0"]
        notifier.may_send.set()
        await asyncio.gather(first, *others)

    asyncio.run(scenario())
    assert notifier.sent == [f"run_{number}" for number in range(6)]


def test_a_caller_who_leaves_does_not_take_the_round_of_the_others_along() -> None:
    notifier = SlowNotifier()
    notifier.may_send.set()

    async def scenario() -> None:
        notifications = Notifications(notifier)
        leaves, stays = (asyncio.create_task(notifications.send([(run, "cpu")])) for run in ("run_0", "run_1"))
        await asyncio.sleep(0)
        leaves.cancel()
        await stays

    asyncio.run(scenario())
    assert notifier.sent == ["run_0", "run_1"]
