"""A trainer that is stopped in its learning-rate test keeps the points, and its next attempt goes on from them."""

import signal
from typing import Any

import pytest

from cellgate.contract.exit_codes import ExitCode
from tests.integration.trainers.conftest import Trainer

# Enough steps for two events of progress, of which there are two a second at most.
STEPS = 120
# Between these rates this model learns enough in so many steps of so many functions for a valley.
LEARNING = {"finder_min": 1e-3, "finder_max": 1e-1}
BATCH_SIZE = 32


# Three whole runs; the short form, on the same engine, is tests/unit/engine/test_lr_finder_stopped.py.
@pytest.mark.slow
def test_a_run_stopped_in_its_range_test_ends_with_the_bytes_of_one_that_was_not(
    trainer: Trainer, tiny: dict[str, Any]
) -> None:
    settings = {**tiny["training"]["learning_rate"], "finder_steps": STEPS, **LEARNING}
    # Epochs enough that the test may have so many steps, and no more of them than one without gain.
    training = {**tiny["training"], "epochs": 64, "patience": 2, "batch_size": BATCH_SIZE, "learning_rate": settings}
    spec = {**tiny, "lr_cache": None, "training": training}
    assert trainer.run("transformer", spec, "undisturbed-test") == (0, "")

    process = trainer.start_cell("transformer", spec, "stopped-test")
    trainer.wait_for(process, "stopped-test", lambda event: event["kind"] == "progress" and event["done"] > 0)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    stopped = trainer.events("stopped-test")
    folder = trainer.out("stopped-test") / "checkpoint"
    assert process.returncode == ExitCode.INTERRUPTED
    assert "stopped in the learning-rate test" in stderr
    assert [event["step"] for event in stopped if event["kind"] == "checkpoint"] == [0]

    assert trainer.run("transformer", spec, "resumed-test", "--resume", str(folder)) == (0, "")

    told = [event for event in trainer.events("resumed-test") if event["kind"] == "progress"]
    assert 0 < told[0]["done"] < told[0]["total"] == STEPS
    undisturbed, resumed = trainer.result("undisturbed-test"), trainer.result("resumed-test")
    assert undisturbed["learning_rate"]["source"] == "finder"
    for field in ("learning_rate", "artifacts", "metrics", "threshold", "temperature"):
        assert resumed[field] == undisturbed[field], field
