"""The curves of a run that took the place of another, on SQLite and on PostgreSQL."""

import json
from typing import Any

import pytest

from cellgate.contract.files import write_bytes, write_json
from cellgate.contract.states import FailureReason, RunState
from service.store.claims import Claim
from service.store.lifecycle import fail
from service.store.recorder import record_checkpoint, record_metrics, record_position
from service.store.retries import retry_run
from service.store.runs import events_of, metrics_of
from tests.worker_harness import Floor, claim_as
from worker.attempt import supervise

pytestmark = pytest.mark.alike

GOES_ON = """
count = 4
say("metric", step=5, values={"train/loss": 2.0})
say("metric", step=6, values={"train/loss": 2.0})
finish()
"""


def lost_after(floor: Floor, *, in_sql: int) -> Claim:
    """A failed run that reported four steps and a warning and saved before the last step."""
    lost = claim_as(floor.database, "worker-0")
    recorded: list[dict[str, Any]] = [
        {"n": n, "t": 1.0, "kind": "metric", "step": n, "values": {"train/loss": 1.0}} for n in (1, 2, 3, 5)
    ]
    recorded.insert(3, {"n": 4, "t": 1.0, "kind": "warning", "code": "late", "message": ""})
    folder = floor.folder / "artifacts" / lost.path
    write_bytes(folder / "events.jsonl", b"".join(json.dumps(event).encode() + b"\n" for event in recorded))
    write_json(folder / "checkpoint" / "a" / "state.json", {"last_event": 4})
    write_json(folder / "checkpoint" / "current.json", {"folder": "a"})
    attempt: dict[str, Any] = {"run_id": lost.run_id, "attempt": lost.attempt}
    points = [("train/loss", event["step"], 1.0) for event in recorded[:in_sql] if event["kind"] == "metric"]
    with floor.database.begin() as session:
        record_metrics(session, **attempt, points=points)
        record_position(session, **attempt, last_event=in_sql)
        record_checkpoint(session, **attempt, path=f"{lost.path}/checkpoint", step=3)
        fail(session, **attempt, reason=FailureReason.WORKER_LOST, detail="lost once too often")
    return lost


def retried(floor: Floor, run_id: str) -> str:
    with floor.database.begin() as session:
        return retry_run(session, run_id)


def work(floor: Floor, script: str) -> None:
    context = floor.context(script)
    supervise(context, floor.claim(context))


def loss_of(floor: Floor, run_id: str) -> dict[int, float]:
    with floor.database.read() as session:
        (loss,) = metrics_of(session, run_id, ["train/loss"])
    assert len(loss.steps) == len(set(loss.steps))
    return dict(zip(loss.steps, loss.values, strict=True))


@pytest.mark.parametrize("in_sql", [1, 5])
def test_a_retried_run_has_the_whole_curve_whatever_of_the_old_one_was_in_sql(floor: Floor, in_sql: int) -> None:
    floor.prepare_run()
    old = lost_after(floor, in_sql=in_sql)
    new = retried(floor, old.run_id)

    work(floor, GOES_ON)

    assert floor.state(new) is RunState.SUCCEEDED
    assert loss_of(floor, new) == {1: 1.0, 2: 1.0, 3: 1.0, 5: 2.0, 6: 2.0}


def test_what_was_caught_up_once_is_not_stored_again_by_the_next_try(floor: Floor) -> None:
    # given a retry that caught up on the old run, and failed before it saved anything itself
    floor.prepare_run()
    old = lost_after(floor, in_sql=1)
    second = retried(floor, old.run_id)
    work(floor, "os._exit(1)")
    assert floor.state(second) is RunState.FAILED
    assert [attempt.last_event for attempt in floor.attempts(old.run_id)] == [4]

    # when that is tried again from the same checkpoint
    third = retried(floor, second)
    work(floor, GOES_ON)

    # then its curve is whole, and the old run's warning was reported once
    assert loss_of(floor, third) == {1: 1.0, 2: 1.0, 3: 1.0, 5: 2.0, 6: 2.0}
    with floor.database.read() as session:
        reported = [event.kind for run in (old.run_id, second, third) for event in events_of(session, run_id=run)]
    assert reported.count("warning") == 1
