"""What a supervisor does when database, trainer or pipeline do not behave."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text, update

from cellgate.contract.events import EventKind
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.files import write_bytes, write_json
from cellgate.contract.states import FailureReason, RunState
from service.store.database import Database
from service.store.experiments import create_experiment
from service.store.lifecycle import release
from service.store.recorder import Recorder, record_checkpoint, record_metrics, record_position
from service.store.runs import metrics_of
from service.store.tables import ExperimentRow, JobRow
from tests.worker_harness import Floor, Supervision, claim_as, until
from worker.attempt import supervise

CUTS = 10


@pytest.fixture
def on_postgres(postgres_url: str, tmp_path: Path) -> Iterator[Floor]:
    database = Database(postgres_url)
    yield Floor(folder=tmp_path, database=database, url=postgres_url)
    database.dispose()


def test_last_words_longer_than_one_read_all_arrive_before_the_end(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context("""
print("x" * 3_000_000)
print("the end", flush=True)
values = {"train/loss": 1.0, "train/a-long-name-that-fills-the-file": 2.0}
with open(out / "events.jsonl", "w") as file:
    for count in range(1, 20_001):
        event = {"n": count, "t": 1.0, "kind": "metric", "step": count, "values": values}
        file.write(json.dumps(event) + "\\n")
say("failed", reason="data_error", exit_code=3, message="line 7 is broken", problems=[], problems_total=0)
os._exit(3)
""")

    supervise(context, floor.claim(context))

    run = floor.run(run_id)
    assert (run.state, run.failure_reason, run.failure_detail) == ("failed", "data_error", "line 7 is broken")
    with floor.database.read() as session:
        (loss,) = metrics_of(session, run_id, ["train/loss"])
    assert loss.steps == list(range(1, 20_001))
    assert floor.output(run_id) == "x" * 3_000_000 + "\nthe end\n"


def test_a_failure_with_text_that_no_database_holds_is_still_reported(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context(r"""
sys.stdout.buffer.write(b"a\x00b\xff")
say("failed", reason="data_error", exit_code=3, message="found \x00 and \ud800", problems=[], problems_total=0)
os._exit(3)
""")

    supervise(context, floor.claim(context))

    run = floor.run(run_id)
    assert (run.failure_reason, run.failure_detail) == ("data_error", "found \N{REPLACEMENT CHARACTER} and ?")


def test_an_event_that_breaks_the_contract_is_shown_and_the_run_goes_on(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context("""
(out / "events.jsonl").write_text("no event at all\\n")
count = 1
say("metric", step=1, values={"k" * 500: 1.0})
say("phase", phase="save")
finish()
""")

    supervise(context, floor.claim(context))

    assert floor.state(run_id) is RunState.SUCCEEDED
    assert warnings_of(floor, run_id) == ["broken_event", "broken_event"]
    assert floor.run(run_id).phase == "save"


def test_an_event_whose_commit_may_have_arrived_is_not_written_twice(floor: Floor) -> None:
    run_id = floor.prepare_run()
    claim = claim_as(floor.database, "worker-1")
    recorder = Recorder(claim)
    first = {"n": 1, "t": 1.0, "kind": EventKind.WARNING, "code": "a", "message": ""}
    second = {"n": 2, "t": 1.0, "kind": EventKind.WARNING, "code": "b", "message": ""}
    with floor.database.begin() as session:
        recorder.record(session, [first], [(1, "text")])

    with floor.database.begin() as session:
        recorder.record(session, [first, second], [(1, "text")], again=True)

    assert warnings_of(floor, run_id) == ["a", "b"]


def test_what_a_lost_supervisor_never_wrote_is_caught_up_by_the_attempt_that_goes_on(floor: Floor) -> None:
    run_id = floor.prepare_run()
    lost = claim_as(floor.database, "worker-0")
    folder = floor.folder / "artifacts" / lost.path
    # It reported five steps, saved after the fourth, and only the first two are in SQL.
    recorded = [{"n": n, "t": 1.0, "kind": "metric", "step": n, "values": {"train/loss": 1.0}} for n in range(1, 6)]
    write_bytes(folder / "events.jsonl", b"".join(json.dumps(event).encode() + b"\n" for event in recorded))
    write_json(folder / "checkpoint" / "a" / "state.json", {"last_event": 4})
    write_json(folder / "checkpoint" / "current.json", {"folder": "a"})
    with floor.database.begin() as session:
        attempt: dict[str, Any] = {"run_id": run_id, "attempt": lost.attempt}
        record_metrics(session, **attempt, points=[("train/loss", 1, 1.0), ("train/loss", 2, 1.0)])
        record_position(session, **attempt, last_event=2)
        record_checkpoint(session, **attempt, path=f"{lost.path}/checkpoint", step=4)
        release(session, **attempt, why="lost")
    context = floor.context("""
count = 4
say("metric", step=6, values={"train/loss": 2.0})
finish()
""")

    supervise(context, floor.claim(context))

    assert floor.state(run_id) is RunState.SUCCEEDED
    with floor.database.read() as session:
        (loss,) = metrics_of(session, run_id)
    assert (loss.steps, loss.values) == ([1, 2, 3, 4, 6], [1.0, 1.0, 1.0, 1.0, 2.0])
    assert [attempt.last_event for attempt in floor.attempts(run_id)] == [4, 5]


def test_a_run_ends_even_when_its_pipeline_cannot_advance(floor: Floor) -> None:
    dataset_run = floor.prepare_run()
    with floor.database.begin() as session:
        dataset_id = session.get_one(JobRow, floor.run(dataset_run).job_id).dataset_id
        created = create_experiment(session, name="question", dataset_id=dataset_id, spec=ExperimentSpec(seeds=[0]))
        session.execute(update(ExperimentRow).values(spec={"seeds": "corrupted"}))
    context = floor.context("finish()")

    supervise(context, floor.claim(context))

    assert floor.state(dataset_run) is RunState.SUCCEEDED
    with floor.database.read() as session:
        assert session.get_one(ExperimentRow, created.id).state == "waiting"


def test_a_trainer_dies_in_time_while_its_supervisor_waits_for_the_database(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(
        "print(os.getpid(), flush=True)\nsay('phase', phase='train')\ntime.sleep(60)", lease_s=2.0
    )
    with Supervision(context, small_floor.claim(context)):
        until(lambda: small_floor.run(run_id).phase == "train", "the trainer trains")
        pid = int((small_floor.attempt_folder(run_id) / "output.log").read_text())

        blocker = sqlite3.connect(small_floor.folder / "cellgate.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        until(lambda: not is_running(pid), "the trainer is gone although nobody could renew its lease or see it lost")
        blocker.execute("COMMIT")
        blocker.close()

    run = small_floor.run(run_id)
    assert (run.state, run.recoveries) == ("queued", 1)


def test_connections_cut_by_the_server_cost_a_run_nothing(on_postgres: Floor) -> None:
    run_id = on_postgres.prepare_run()
    context = on_postgres.context("""
for number in range(30):
    say("warning", code=f"w{number}", message="")
    say("metric", step=number, values={"train/loss": 1.0})
    print(number, flush=True)
    time.sleep(0.05)
finish()
""")
    everybody_else = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    admin = create_engine(on_postgres.url, isolation_level="AUTOCOMMIT")

    supervisor = threading.Thread(target=supervise, args=(context, on_postgres.claim(context)))
    supervisor.start()
    with admin.connect() as connection:
        for _ in range(CUTS):
            connection.execute(everybody_else)
            supervisor.join(0.15)
    admin.dispose()
    supervisor.join()

    assert on_postgres.state(run_id) is RunState.SUCCEEDED
    assert warnings_of(on_postgres, run_id) == [f"w{number}" for number in range(30)]
    assert on_postgres.output(run_id) == "".join(f"{number}\n" for number in range(30))
    with on_postgres.database.read() as session:
        (loss,) = metrics_of(session, run_id)
    assert loss.steps == list(range(30))


def test_a_folder_that_cannot_be_written_to_fails_the_run_and_says_so(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context("finish()")
    context.settings.artifacts.write_text("a file where a folder belongs")

    supervise(context, small_floor.claim(context))

    run = small_floor.run(run_id)
    assert run.failure_reason == FailureReason.INTERNAL_ERROR
    assert str(context.settings.artifacts) in str(run.failure_detail)


def warnings_of(floor: Floor, run_id: str) -> list[str]:
    return [body["code"] for _attempt, kind, body in floor.recorded(run_id) if kind == EventKind.WARNING]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
