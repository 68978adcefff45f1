"""How attempts end, with real processes in the place of trainers."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select, update

from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.states import DatasetState, FailureReason, RunState
from service.store import lifecycle, run_actions
from service.store.datasets import list_datasets
from service.store.runs import metrics_of
from service.store.tables import EventRow, JobRow, LogRow
from tests.worker_harness import Floor, Supervision, claim_as, gnn_result, on_another_worker, until
from worker.attempt import supervise
from worker.claim_loop import work_off_queue

pytestmark = pytest.mark.alike

TALKS_AND_FINISHES = """
print("größe", flush=True)
say("phase", phase="parse")
say("metric", step=1, values={"train/loss": 0.7})
say("metric", step=2, values={"train/loss": 0.5})
say("progress", done=2, total=2)
finish()
"""
SAVES_WHEN_STOPPED = """
(out / "checkpoint" / "step-7").mkdir(parents=True)
(out / "checkpoint" / "step-7" / "state.json").write_text("{}")
(out / "checkpoint" / "current.json").write_text('{"folder": "step-7"}')
say("checkpoint", step=7, path="checkpoint")
stopped(lambda *_: os._exit(8))
wait()
"""
NEVER_STOPS = """
stopped(signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
(out / "pids").write_text(f"{os.getpid()} {child.pid}")
wait()
"""
FAILS_WITH = """
say("failed", reason="x", exit_code={code}, message="what was wrong", problems=[], problems_total=0)
raise SystemExit({code})
"""


def gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for yet has ended too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def pids_in(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def running(floor: Floor, run_id: str) -> None:
    until(lambda: floor.run(run_id).phase == "train", "the stand-in says that it trains")


def test_a_finished_trainer_leaves_result_curves_output_and_a_ready_data_set(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context(TALKS_AND_FINISHES)

    supervise(context, floor.claim(context))

    run = floor.run(run_id)
    with floor.database.read() as session:
        (curve,) = metrics_of(session, run_id)
        (dataset,) = list_datasets(session)
    assert (run.state, run.exit_code, run.phase, run.steps_done) == (RunState.SUCCEEDED, 0, "parse", 2)
    assert run.result is not None
    assert run.result["cell"] == "prepare"
    assert (curve.steps, curve.values) == ([1, 2], [0.7, 0.5])
    assert floor.output(run_id) == "größe\n"
    assert (dataset.state, dataset.path) == (DatasetState.READY, f"runs/{run_id}/attempt-1/dataset")
    assert [(attempt.outcome, attempt.exit_code) for attempt in floor.attempts(run_id)] == [("succeeded", 0)]


def test_the_trainer_gets_its_spec_its_folder_and_none_of_the_services_secrets(
    small_floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLGATE_TOKEN", "a secret of the service, of 32 characters")
    run_id = small_floor.prepare_run()
    context = small_floor.context(
        "(out / 'seen').write_text(json.dumps([spec['source'], options.cell, dict(os.environ)])); finish()", threads=3
    )

    supervise(context, small_floor.claim(context))

    source, cell, environment = json.loads((small_floor.attempt_folder(run_id) / "seen").read_text())
    assert (source, cell) == ("/data/made.jsonl", "prepare")
    assert environment["OMP_NUM_THREADS"] == "3"
    assert not [name for name in environment if name.startswith("CELLGATE")]


@pytest.mark.parametrize(
    "leaves", ["pass", "(out / 'result.json').write_text('{\"cell\": \"prepare\"}')", "RESULT = '{'; finish()"]
)
def test_zero_without_a_valid_result_is_a_failure_that_names_the_file(small_floor: Floor, leaves: str) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(leaves)

    supervise(context, small_floor.claim(context))

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, FailureReason.INVALID_RESULT)
    assert "result.json" in str(run.failure_detail)
    assert run.result is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (ExitCode.BAD_SPEC, FailureReason.BAD_SPEC),
        (ExitCode.DATA_ERROR, FailureReason.DATA_ERROR),
        (ExitCode.PREFLIGHT_FAILED, FailureReason.PREFLIGHT_FAILED),
        (ExitCode.COLLAPSE, FailureReason.COLLAPSE),
        (ExitCode.DIVERGENCE, FailureReason.DIVERGENCE),
        (ExitCode.INTERNAL_ERROR, FailureReason.INTERNAL_ERROR),
    ],
)
def test_each_exit_code_ends_the_run_with_its_reason_in_the_trainers_words(
    small_floor: Floor, code: ExitCode, reason: FailureReason
) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(FAILS_WITH.format(code=code.value))

    supervise(context, small_floor.claim(context))

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason, run.failure_detail) == (RunState.FAILED, reason, "what was wrong")
    assert run.exit_code == code


def test_out_of_memory_is_tried_once_more(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(FAILS_WITH.format(code=7))

    assert work_off_queue(context) == 2

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason, run.recoveries) == (RunState.FAILED, FailureReason.OUT_OF_MEMORY, 1)
    assert [attempt.outcome for attempt in small_floor.attempts(run_id)] == ["released", "failed"]


def test_an_interrupted_trainer_is_given_a_bounded_number_of_new_attempts(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context("raise SystemExit(8)")

    assert work_off_queue(context) == 1 + lifecycle.MAX_RECOVERIES

    assert small_floor.state(run_id) is RunState.FAILED


def test_cancelling_a_running_run_stops_its_trainer(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context("stopped(lambda *_: os._exit(8))\nwait()")

    with Supervision(context, floor.claim(context)):
        running(floor, run_id)
        with floor.database.begin() as session:
            run_actions.cancel_run(session, run_id)

    assert (floor.state(run_id), floor.run(run_id).exit_code) == (RunState.CANCELLED, 8)


def test_who_ignores_the_request_to_stop_is_killed_with_everything_it_started(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(NEVER_STOPS, grace_s=0.3)

    with Supervision(context, small_floor.claim(context)):
        running(small_floor, run_id)
        pids = pids_in(small_floor.attempt_folder(run_id))
        assert not any(gone(pid) for pid in pids)
        with small_floor.database.begin() as session:
            run_actions.cancel_run(session, run_id)

    run = small_floor.run(run_id)
    assert (run.state, run.exit_code) == (RunState.CANCELLED, -signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in pids), "the trainer and its child are gone")


def test_a_trainer_that_ends_leaves_no_child_behind(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(
        "child = subprocess.Popen(['sleep', '600'])\n(out / 'pids').write_text(str(child.pid))\nfinish()"
    )

    supervise(context, small_floor.claim(context))

    (child,) = pids_in(small_floor.attempt_folder(run_id))
    assert small_floor.state(run_id) is RunState.SUCCEEDED
    until(lambda: gone(child), "the trainer's child is gone")


def test_a_trainer_that_is_killed_again_and_again_fails_and_its_last_words_are_kept(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context("print('last words', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)")

    assert work_off_queue(context) == 3

    run = floor.run(run_id)
    assert (run.state, run.failure_reason, run.exit_code) == (RunState.FAILED, FailureReason.KILLED, -9)
    assert floor.output(run_id) == "last words\n" * 3
    assert [attempt.outcome for attempt in floor.attempts(run_id)] == ["released", "released", "failed"]


def test_a_silent_trainer_is_stopped_as_stalled(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context("time.sleep(600)", stall_timeout_s=0.5)

    supervise(context, small_floor.claim(context))

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, FailureReason.STALLED)
    assert "stall_timeout_s" in str(run.failure_detail)


def test_a_talking_trainer_may_not_take_longer_than_the_limit(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(
        "while True:\n    say('progress', done=1, total=9)\n    time.sleep(0.05)", run_timeout_s=0.7
    )

    supervise(context, small_floor.claim(context))

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, FailureReason.TIMEOUT)
    assert "run_timeout_s" in str(run.failure_detail)


def test_a_draining_worker_gives_its_run_back_and_the_next_attempt_goes_on_from_the_checkpoint(floor: Floor) -> None:
    (run_id,) = floor.gnn_runs(1)
    context = floor.context(SAVES_WHEN_STOPPED)
    with Supervision(context, floor.claim(context)):
        running(floor, run_id)
        context.draining.set()
    given_back = floor.run(run_id)
    assert (given_back.state, given_back.recoveries) == (RunState.QUEUED, 0)
    assert floor.attempts(run_id)[0].checkpoint_step == 7
    assert floor.notifier.notified == [run_id]

    floor.context("(out / 'resume').write_text(options.resume)\nfinish()", result=gnn_result())
    other = on_another_worker(context, "worker-2")
    supervise(other, floor.claim(other))

    run = floor.run(run_id)
    checkpoint = floor.folder / "artifacts" / "runs" / run_id / "attempt-1" / "checkpoint"
    assert (run.state, run.attempt, run.worker) == (RunState.SUCCEEDED, 2, "worker-2")
    assert (floor.attempt_folder(run_id) / "resume").read_text() == str(checkpoint)


def test_a_paused_run_waits_with_its_checkpoint_until_it_is_resumed(small_floor: Floor) -> None:
    (run_id,) = small_floor.gnn_runs(1)
    context = small_floor.context(SAVES_WHEN_STOPPED)
    with Supervision(context, small_floor.claim(context)):
        running(small_floor, run_id)
        with small_floor.database.begin() as session:
            run_actions.pause_run(session, run_id)
    assert small_floor.state(run_id) is RunState.PAUSED
    assert work_off_queue(context) == 0

    with small_floor.database.begin() as session:
        run_actions.resume_run(session, run_id)

    assert small_floor.claim(context).resume_from == f"runs/{run_id}/attempt-1/checkpoint"


def test_who_lost_the_lease_kills_its_trainer_and_writes_nothing_more(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context(
        NEVER_STOPS.replace("wait()", "say('phase', phase='train')\nwhile True:\n    say('phase', phase='train')\n")
        + "    print('on and on', flush=True)\n    time.sleep(0.02)"
    )

    def written() -> list[int | None]:
        first = {"run_id": run_id, "attempt": 1}
        with floor.database.read() as session:
            return [
                session.scalar(select(func.count()).select_from(table).filter_by(**first))
                for table in (EventRow, LogRow)
            ]

    with Supervision(context, floor.claim(context)):
        running(floor, run_id)
        pids = pids_in(floor.attempt_folder(run_id))
        with floor.database.begin() as session:
            lifecycle.release(session, run_id=run_id, attempt=1, why="taken away")
        claim_as(floor.database, "worker-2")
        before = written()

    run = floor.run(run_id)
    assert written() == before
    assert (run.state, run.attempt, run.worker) == (RunState.STARTING, 2, "worker-2")
    assert [attempt.outcome for attempt in floor.attempts(run_id)] == ["released", None]
    until(lambda: all(gone(pid) for pid in pids), "the old trainer and its child are gone")


def test_a_run_whose_spec_cannot_be_built_fails_without_a_trainer(small_floor: Floor) -> None:
    (run_id,) = small_floor.gnn_runs(1)
    with small_floor.database.begin() as session:
        session.execute(update(JobRow).values(spec={"epochs": "many"}))
    context = small_floor.context("raise SystemExit(0)")

    supervise(context, small_floor.claim(context))

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason, run.exit_code) == (RunState.FAILED, FailureReason.BAD_SPEC, None)
    assert "epochs" in str(run.failure_detail)


def test_a_trainer_that_cannot_be_started_fails_its_run(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    missing = replace(small_floor.context(""), command=["/nonexistent/python"])

    supervise(missing, small_floor.claim(missing))

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, FailureReason.INTERNAL_ERROR)
    assert "/nonexistent/python" in str(run.failure_detail)


def test_a_broken_line_from_a_trainer_is_shown_and_does_not_cost_the_run(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context(
        "(out / 'events.jsonl').write_bytes(b'nonsense \\xff\\x00\\n')\n"
        "sys.stdout.buffer.write(b'a\\x00b\\xff'); sys.stdout.flush()\nfinish()"
    )

    supervise(context, floor.claim(context))

    assert floor.state(run_id) is RunState.SUCCEEDED
    assert [kind for _, kind, _ in floor.recorded(run_id)] == ["warning"]
    assert "nonsense" in str(floor.recorded(run_id)[0][2])
    assert floor.output(run_id).startswith("a")


def test_a_trainer_hears_on_its_heartbeat_pipe_that_its_lease_holds(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(
        "say('phase', phase='train')\nline = os.read(0, 100)\n(out / 'heard').write_bytes(line)\nfinish()"
    )

    supervise(context, small_floor.claim(context))

    assert (small_floor.attempt_folder(run_id) / "heard").read_bytes().startswith(b"ok\n")
