"""An answer within a time limit, from something that may hang."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TimeLimitedProbe(Generic[T]):
    """Asks on a thread of its own, one question at a time: whoever hangs there costs one thread, however many ask.

    Args:
        ask: Returns the answer; it raises nothing.
        late: The answer where none comes in time.
        limit_s: Seconds that a caller waits.
    """

    def __init__(self, ask: Callable[[], T], *, late: T, limit_s: float) -> None:
        self._ask = ask
        self._late = late
        self._limit_s = limit_s
        self._changed = threading.Condition()
        self._running = False
        self._asked = 0
        self._answer = late

    def answer(self) -> T:
        """Return the answer to a question that was asked at or just before this call, or `late`."""
        deadline = time.monotonic() + self._limit_s
        with self._changed:
            if not self._running:
                # It may raise where the system has no thread left; the next call tries again.
                threading.Thread(target=self._run, name="probe", daemon=True).start()
                self._running = True
            asked = self._asked
            while self._asked == asked:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return self._late
                self._changed.wait(left_s)
            return self._answer

    def _run(self) -> None:
        answer = self._late
        try:
            answer = self._ask()
        finally:
            with self._changed:
                self._answer = answer
                self._asked += 1
                self._running = False
                self._changed.notify_all()
