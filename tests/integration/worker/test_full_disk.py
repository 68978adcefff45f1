"""The disk under a worker becomes full and has room again, on a file system that really is full."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.files import sha256_of_file
from cellgate.contract.states import FailureReason, RunState, WaitingReason
from service.store.database import Database
from service.store.database_faults import DatabaseFull
from service.store.lifecycle import MAX_RECOVERIES
from service.store.queue import waiting_of
from service.store.tables import RunRow
from service.store.workers import record_room, register_worker
from tests.full_disks import fill, free, small_disk
from tests.worker_harness import Floor, Supervision, claim_as, until
from worker.attempt import supervise
from worker.claim_loop import work_off_queue
from worker.context import WorkerContext

SIZE = 16 << 20
RESERVE = 4 << 20
# Writes a model block by block, saves a checkpoint after each, and goes on from the last one.
WRITER = f"""
import errno, shutil
first, model = 0, out / "model.bin"
if options.resume:
    before = pathlib.Path(options.resume)
    first = int((before / "step").read_text())
    shutil.copy(before / "model.bin", model)
try:
    for step in range(first, 40):
        with open(model, "ab") as file:
            file.write(bytes([step]) * 65_536)
        kept = out / f"checkpoint-{{step % 2}}"
        kept.mkdir(exist_ok=True)
        shutil.copy(model, kept / "model.bin")
        (kept / "step").write_text(str(step + 1))
        (kept / "state.json").write_text("{{}}")
        (kept / "current.json").write_text('{{"folder": "."}}')
        say("checkpoint", step=step, path=kept.name)
        if step == 5 and not options.resume:
            (out.parent / "go").touch()
            while (out.parent / "go").exists():
                time.sleep(0.01)
    finish()
except OSError as error:
    os._exit({ExitCode.STORAGE_FULL} if error.errno == errno.ENOSPC else 70)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", size_bytes=SIZE) as folder:
        yield folder


def on_disk(floor: Floor, disk: Path, script: str) -> tuple[Floor, WorkerContext]:
    """The floor and its worker with their artifacts on the small disk, the database elsewhere."""
    moved = replace(floor, folder=disk)
    context = moved.context(script, storage_reserve_bytes=RESERVE)
    with floor.database.begin() as session:
        register_worker(session, worker_id=context.worker_id, queues=["cpu"], slots=1)
    return moved, context


def model_of(floor: Floor, run_id: str) -> str:
    return sha256_of_file(floor.attempt_folder(run_id) / "model.bin")


def reason_to_wait(database: Database, run: RunRow) -> WaitingReason:
    with database.read() as session:
        return waiting_of(session, [run])[run.id].reason


def test_a_run_that_finds_the_disk_full_waits_with_its_checkpoint_and_goes_on_to_the_same_bytes(
    floor: Floor, disk: Path
) -> None:
    # given what an undisturbed run leaves, and a run at work on a disk that becomes full
    undisturbed = floor.prepare_run()
    supervise(context := floor.context(WRITER.replace("step == 5", "False")), floor.claim(context))
    small, context = on_disk(floor, disk, WRITER)
    run_id = small.prepare_run()
    with Supervision(context, small.claim(context)):
        go = small.attempt_folder(run_id).parent / "go"
        until(go.exists, "the trainer is half-way")
        fill(disk)
        go.unlink()

    # then it is queued again, at no cost, and nothing claims it while there is no room
    run = small.run(run_id)
    assert (run.state, run.recoveries, run.failure_reason) == (RunState.QUEUED, 0, None)
    assert work_off_queue(context) == 0
    assert reason_to_wait(floor.database, run) is WaitingReason.STORAGE_FULL

    # when there is room, it goes on by itself
    free(disk)
    assert work_off_queue(context) == 1

    # then its bytes are those of the undisturbed run
    assert small.state(run_id) is RunState.SUCCEEDED
    assert len(small.attempts(run_id)) == 2
    assert model_of(small, run_id) == model_of(floor, undisturbed)
    assert reason_to_wait(floor.database, small.run(small.prepare_run())) is not WaitingReason.STORAGE_FULL


def test_a_run_that_fills_the_disk_by_itself_is_tried_a_bounded_number_of_times(small_floor: Floor, disk: Path) -> None:
    fills = """
try:
    (out / "big").write_bytes(bytes(32 << 20))
except OSError:
    (out / "big").unlink()
    say("failed", message="no room", reason="storage_full", exit_code=10)
    os._exit(10)
"""
    floor, context = on_disk(small_floor, disk, fills)
    run_id = floor.prepare_run()

    assert work_off_queue(context) == MAX_RECOVERIES + 1

    run = floor.run(run_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, FailureReason.STORAGE_FULL)
    assert "no room" in str(run.failure_detail)


def test_a_run_whose_folder_cannot_be_made_for_lack_of_room_waits(small_floor: Floor, disk: Path) -> None:
    floor, context = on_disk(small_floor, disk, "finish()")
    run_id = floor.prepare_run()
    claim = floor.claim(context)
    fill(disk)

    supervise(context, claim)

    assert (floor.state(run_id), floor.run(run_id).recoveries) == (RunState.QUEUED, 0)
    free(disk)
    assert work_off_queue(context) == 1
    assert floor.state(run_id) is RunState.SUCCEEDED


def test_a_worker_without_room_holds_nothing_back_for_one_that_has(small_floor: Floor) -> None:
    small_floor.prepare_run()
    with small_floor.database.begin() as session:
        for name, there_is in (("worker-1", False), ("worker-2", True)):
            register_worker(session, worker_id=name, queues=["cpu"], slots=1)
            record_room(session, worker_id=name, has_room=there_is)
        run = session.scalars(update(RunRow).values(priority=1).returning(RunRow)).one()

    assert reason_to_wait(small_floor.database, run) is WaitingReason.NEXT
    assert claim_as(small_floor.database, "worker-2").run_id == run.id


class FullDatabase(Database):
    """The database while its disk is full: whatever writes is refused."""

    is_full = False

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Refuse as a full disk does, or yield a transaction."""
        if self.is_full:
            raise DatabaseFull("UPDATE runs", None, sqlite3.OperationalError("database or disk is full"))
        with super().begin() as session:
            yield session


def test_a_run_whose_lease_cannot_be_stored_for_lack_of_room_waits_at_no_cost(small_floor: Floor) -> None:
    # given a run at work, whose database has no room for longer than its lease
    context = small_floor.context('(out / "pid").write_text(str(os.getpid()))\nwait()', lease_s=1.0)
    full = FullDatabase(small_floor.url)
    run_id = small_floor.prepare_run()
    with Supervision(replace(context, database=full), small_floor.claim(context)):
        pid = small_floor.attempt_folder(run_id) / "pid"
        until(lambda: pid.exists() and pid.read_text() != "", "it runs")
        full.is_full = True
        try:
            until(lambda: not Path(f"/proc/{pid.read_text()}").exists(), "it was killed, since its lease is not sure")
        finally:
            full.is_full = False

    # then it is queued again and has lost no recovery
    run = small_floor.run(run_id)
    full.dispose()
    assert (run.state, run.recoveries) == (RunState.QUEUED, 0)
