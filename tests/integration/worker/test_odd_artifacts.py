"""A trainer that leaves odd files: each attempt ends with a reason, nothing waits for a pipe or takes all memory."""

import pytest

from cellgate.contract.states import FailureReason, RunState
from tests.worker_harness import Floor
from worker.attempt import supervise

pytestmark = pytest.mark.alike

# In place of the result, and of the events.
ODD = {
    "a pipe": "os.mkfifo({path})",
    "a folder": "os.mkdir({path})",
    "a link": "os.symlink('/dev/zero', {path})",
    "a link to itself": "os.symlink({path}, {path})",
}
ODD_RESULTS = {
    **ODD,
    "not JSON": "{path}.write_bytes(b'\\xff\\xfe')",
    "deep JSON": "{path}.write_text('[' * 200_000)",
    "NaN": "{path}.write_text(RESULT.replace('1.0', 'NaN'))",
    "Infinity": "{path}.write_text(RESULT.replace('1.0', '1e999'))",
    "200 MB": "os.truncate(os.open({path}, os.O_CREAT | os.O_WRONLY), 200_000_000)",
}
ODD_LINES = {
    "binary": "b'\\x00\\xff\\xfe' * 1000",
    "deep": 'b\'{"n": 1, "kind": "phase", "phase": \' + b\'[\' * 100_000',
    "deep and whole": "b'{\"n\": 1, \"kind\": \"warning\", \"x\": ' + b'[' * 900 + b']' * 900 + b'}'",
    "huge number": 'b\'{"n": 1\' + b\'0\' * 400 + b\', "kind": "phase", "phase": "train"}\'',
    "number beyond any float": 'b\'{"n": 1e999, "kind": "phase", "phase": "train"}\'',
    "infinite value": 'b\'{"n": 1, "kind": "progress", "eta_s": 1e999}\'',
    "20 MB": "b'x' * 20_000_000",
}


@pytest.mark.parametrize("odd", ODD_RESULTS)
def test_a_result_that_is_no_result_fails_the_run_as_such(small_floor: Floor, odd: str) -> None:
    make = ODD_RESULTS[odd].format(path="(out / 'result.json')")
    run_id = small_floor.prepare_run()
    context = small_floor.context(f"{make}\nraise SystemExit(0)")

    supervise(context, small_floor.claim(context))

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, FailureReason.INVALID_RESULT)


@pytest.mark.parametrize("odd", ODD)
def test_events_and_output_that_are_no_files_keep_no_run_from_ending(small_floor: Floor, odd: str) -> None:
    make = "\n".join(
        f"target = out / {name!r}\nif target.exists(): target.unlink()\n{ODD[odd].format(path='target')}"
        for name in ("events.jsonl", "output.log")
    )
    run_id = small_floor.prepare_run()
    context = small_floor.context(f"{make}\nfinish()")

    supervise(context, small_floor.claim(context))

    assert small_floor.state(run_id) is RunState.SUCCEEDED


@pytest.mark.parametrize("odd", ODD_LINES)
def test_a_line_that_is_no_event_costs_no_run(floor: Floor, odd: str) -> None:
    script = f"""
with open(out / "events.jsonl", "ab") as file:
    file.write({ODD_LINES[odd]} + b"\\n")
say("phase", phase="train")
finish()
"""
    run_id = floor.prepare_run()
    context = floor.context(script)

    supervise(context, floor.claim(context))

    assert floor.state(run_id) is RunState.SUCCEEDED
    codes = [body.get("code") for _, kind, body in floor.recorded(run_id) if kind == "warning"]
    assert "broken_event" in codes or odd == "deep and whole"
