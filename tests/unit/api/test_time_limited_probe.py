"""A probe with a time limit goes on after a moment in which the system had no thread left."""

import threading

import pytest

from service.telemetry.time_limit import TimeLimitedProbe


def test_a_probe_asks_again_after_no_thread_could_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = TimeLimitedProbe(lambda: "well", late="late", limit_s=60.0)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            probe.answer()

    assert probe.answer() == "well"
