from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from cellgate.cli.progress import activity, overview, progress, share_done
from cellgate.client.identities import Outlook
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import Progress, RunAnswer, WaitingAnswer
from cellgate.contract.states import FailureReason, JobState, RunState, WaitingReason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HALF_WAY = Progress(phase="train", steps_done=50, steps_total=100, epoch=2, epochs=4, eta_s=65.0)
NOTHING_YET = Progress(phase=None, steps_done=None, steps_total=None, epoch=None, epochs=None, eta_s=None)


def run(state: RunState, recorded: Progress = NOTHING_YET, **changes: Any) -> RunAnswer:
    fields: dict[str, Any] = {
        "id": "run_1",
        "job": "job_1",
        "experiment": "exp_1",
        "cell": 51,
        "seed": 7,
        "state": state,
        "waiting": None,
        "attempt": 1,
        "superseded_by": None,
        "worker": None,
        "queue": "cpu",
        "progress": recorded,
        "f1": None,
        "exit_code": None,
        "failure_reason": None,
        "failure_detail": None,
        "result": None,
        "created_at": NOW,
        "started_at": None,
        "finished_at": None,
    }
    return RunAnswer(**{**fields, **changes})


def job(*runs: RunAnswer) -> JobAnswer:
    return JobAnswer(
        id="job_1",
        experiment="exp_1",
        dataset="ds_1",
        step="51",
        cell=51,
        state=JobState.RUNNING,
        seeds=[7],
        spec={},
        priority=0,
        queue="cpu",
        queue_timeout_s=None,
        timeout_s=None,
        runs=list(runs),
        created_at=NOW,
    )


def test_a_run_that_waits_tells_what_for() -> None:
    waits = WaitingAnswer(reason=WaitingReason.BEHIND, detail="3 runs ahead in queue cpu", ahead=3)
    assert activity(run(RunState.QUEUED, waiting=waits)) == "3 runs ahead in queue cpu"


def test_a_run_is_as_far_as_its_steps_say_and_whole_once_it_succeeded() -> None:
    assert share_done(run(RunState.QUEUED)) == 0.0
    assert share_done(run(RunState.RUNNING, HALF_WAY)) == 0.5
    assert share_done(run(RunState.SUCCEEDED, HALF_WAY)) == 1.0


def test_a_second_attempt_is_reported() -> None:
    assert activity(run(RunState.RUNNING, HALF_WAY, attempt=2)) == "train, epoch 2/4, attempt 2"


def test_a_failed_run_tells_its_cause_instead_of_its_progress() -> None:
    failed = run(RunState.FAILED, HALF_WAY, failure_reason=FailureReason.OUT_OF_MEMORY)
    assert activity(failed) == "out_of_memory"


def test_the_live_view_has_a_row_per_run_with_eta_and_f1() -> None:
    console = Console(width=120, highlight=False)
    runs = [run(RunState.RUNNING, HALF_WAY), run(RunState.SUCCEEDED, seed=8, f1=0.9123)]
    with console.capture() as captured:
        console.print(progress(job(*runs), [job(*runs)]))
    name, head, _, first, second = captured.get().splitlines()
    assert name == "job_1"
    assert head.split() == ["running", "51", "transformer", "running"]
    assert first.split()[:4] == ["51", "transformer", "7", "running"]
    assert first.split()[-1] == "1:05"
    assert second.split()[-1] == "0.9123"


def watched(*runs: RunAnswer, outlook: Outlook | None = None, width: int = 80) -> list[str]:
    console = Console(width=width, highlight=False)
    one = job(*runs)
    with console.capture() as captured:
        console.print(overview(one, [one], page="http://server/#/experiments/exp_1", outlook=outlook))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_what_is_watched_has_a_line_per_cell_with_its_seeds_and_tells_the_whole() -> None:
    runs = [run(RunState.SUCCEEDED, seed=0, f1=0.9), run(RunState.RUNNING, HALF_WAY), run(RunState.FAILED, seed=8)]
    outlook = Outlook(id="exp_1", progress=0.25, eta_s=125.0)

    name, page, whole, cell = watched(*runs, outlook=outlook)

    assert (name, page) == ("job_1", "http://server/#/experiments/exp_1")
    assert whole.split() == ["running", "25%", "2:05", "left"]
    assert cell.split()[:8] == ["51", "transformer", "0", "✓", "7", "50%", "8", "✗"]
    assert cell.split()[-3:] == ["1:05", "F1", "0.900"]


def test_what_is_watched_tells_why_nothing_moves_and_only_then() -> None:
    waits = WaitingAnswer(reason=WaitingReason.NO_WORKER, detail="no worker serves queue x", ahead=3)
    waiting = run(RunState.QUEUED, waiting=waits)

    assert watched(waiting)[-1] == "Waits: no worker serves queue x"
    assert not any("Waits" in line for line in watched(waiting, run(RunState.RUNNING, HALF_WAY, seed=8)))


def test_a_run_that_another_has_replaced_is_not_watched() -> None:
    cell = watched(run(RunState.FAILED, superseded_by="run_2"), run(RunState.QUEUED, id="run_2"))[3]
    assert cell.split()[2:4] == ["7", "·"]


def test_thirty_seeds_fit_into_80_columns() -> None:
    lines = watched(*(run(RunState.RUNNING, HALF_WAY, seed=seed) for seed in range(32)))
    assert max(map(len, lines)) <= 80
    assert "31" in " ".join(lines).split()
