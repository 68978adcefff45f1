"""Equal runs: the second one ends with the result of the first, and no trainer is started."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from cellgate.contract.api.resources import ResourceKind
from cellgate.contract.cells import Cell
from cellgate.contract.configs import GnnConfig, PrepareConfig
from cellgate.contract.states import FailureReason, RunState
from service.domain.errors import StillUsed
from service.store import lifecycle
from service.store.claims import Claim
from service.store.datasets import create_dataset
from service.store.deletion import delete_things, plan_deletion
from service.store.jobs import create_job
from service.store.retries import retry_run
from service.store.runs import metrics_of
from service.store.tables import DatasetRow, RunRow
from tests.fakes import FakeTrainers
from tests.worker_harness import Floor, Supervision, claim_as, gnn_result, until
from worker.attempt import supervise
from worker.context import WorkerContext

MODEL_HASH = "sha256:9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"  # of the bytes `model`
TRAINS = """
(out / "model").mkdir()
(out / "model" / "weights").write_bytes(b"model")
say("metric", step=1, values={"train/loss": 0.7})
finish()
"""
WAITS_FOR_A_FILE = (
    """
say("phase", phase="train")
while not (out.parent.parent.parent / "go").exists():
    time.sleep(0.02)
"""
    + TRAINS
)
CONFIG = GnnConfig().model_dump(mode="json")


class Bench:
    """A worker at whose trainers' output one can look, over one data set.

    Args:
        floor: Database and folder.
        script: Of the stand-in.
    """

    def __init__(self, floor: Floor, script: str = TRAINS) -> None:
        self.floor = floor
        result = gnn_result().model_copy(update={"artifacts": {"model/weights": MODEL_HASH}})
        self.context: WorkerContext = floor.context(script, result=result)
        self.dataset = self.new_dataset()

    def new_dataset(self) -> str:
        """Return the id of another data set that is ready; its content is that of the first."""
        with self.floor.database.begin() as session:
            made = create_dataset(session, name="ready", source="/data/made.jsonl", config=PrepareConfig()).id
        FakeTrainers(self.floor.database, self.floor.folder / "artifacts").work()
        return made

    def submit(self, *, seed: int = 0, fresh: bool = False, dataset: str | None = None, **training: Any) -> str:
        """Return the id of a queued run of cell 52."""
        config = {**CONFIG, "training": {**CONFIG["training"], **training}}
        with self.floor.database.begin() as session:
            job = create_job(
                session,
                cell=Cell.GNN,
                dataset_id=dataset or self.dataset,
                config=config,
                seeds=[seed],
                fresh=fresh,
            )
            return session.scalars(select(RunRow.id).where(RunRow.job_id == job.id)).one()

    def work(self) -> None:
        """Take the next run to its end."""
        supervise(self.context, self.claim())

    def claim(self) -> Claim:
        """Claim the next run."""
        return self.floor.claim(self.context)

    def trained(self, **submission: Any) -> str:
        """Return the id of a run after it has ended."""
        run_id = self.submit(**submission)
        self.work()
        return run_id

    def delete(self, run_id: str, *, cascade: bool = False) -> None:
        """Delete a run's job."""
        with self.floor.database.begin() as session:
            job_id = self.floor.run(run_id).job_id
            data_dir = self.floor.folder
            planned = plan_deletion(session, ResourceKind.JOB, job_id, cascade=cascade, data_dir=data_dir)
            delete_things(session, planned)


@pytest.fixture
def bench(small_floor: Floor) -> Bench:
    return Bench(small_floor)


@pytest.mark.alike
def test_a_run_that_is_equal_to_a_finished_one_has_its_result_files_and_curves_and_starts_no_trainer(
    floor: Floor,
) -> None:
    bench = Bench(floor)
    first = floor.run(bench.trained())

    second = floor.run(bench.trained())

    assert (second.state, second.exit_code, second.reused_from) == (RunState.SUCCEEDED, 0, first.id)
    assert (second.result, second.path) == (first.result, first.path)
    assert not (floor.folder / "artifacts" / "runs" / second.id).exists()
    assert [attempt.outcome for attempt in floor.attempts(second.id)] == ["succeeded"]
    with floor.database.read() as session:
        assert metrics_of(session, second.id) == metrics_of(session, first.id) != []


def test_every_equal_run_refers_to_the_one_that_was_trained(bench: Bench) -> None:
    first, second, third = (bench.trained() for _ in range(3))

    assert [bench.floor.run(run_id).reused_from for run_id in (second, third)] == [first, first]


@pytest.mark.parametrize(
    "difference", [{"seed": 1}, {"epochs": 4}, {"fresh": True}], ids=["seed", "spec", "asked to be fresh"]
)
def test_what_differs_from_the_finished_run_is_trained(bench: Bench, difference: dict[str, Any]) -> None:
    bench.trained()

    other = bench.floor.run(bench.trained(**difference))

    assert (other.state, other.reused_from) == (RunState.SUCCEEDED, None)


def test_the_content_of_the_data_set_counts_not_its_name(bench: Bench) -> None:
    first = bench.trained()
    same, other = bench.new_dataset(), bench.new_dataset()
    with bench.floor.database.begin() as session:
        session.execute(update(DatasetRow).where(DatasetRow.id == other).values(content_hash="sha256:" + "e" * 64))

    reused = [bench.floor.run(bench.trained(dataset=dataset)).reused_from for dataset in (same, other)]

    assert reused == [first, None]


def _no_file(folder: Path) -> None:
    (folder / "model" / "weights").unlink()


def _other_bytes(folder: Path) -> None:
    (folder / "model" / "weights").write_bytes(b"modem")


def _other_result(folder: Path) -> None:
    text = (folder / "result.json").read_text()
    (folder / "result.json").write_text(text.replace('"seed": 0', '"seed": 1'))


@pytest.mark.parametrize("damage", [_no_file, _other_bytes, _other_result])
def test_a_finished_run_whose_files_are_damaged_is_not_reused(bench: Bench, damage: Callable[[Path], None]) -> None:
    first = bench.trained()
    damage(bench.floor.attempt_folder(first))

    assert bench.floor.run(bench.trained()).reused_from is None


def test_an_equal_run_that_is_still_at_work_is_not_waited_for(small_floor: Floor) -> None:
    bench = Bench(small_floor, WAITS_FOR_A_FILE)
    first, second = bench.submit(), bench.submit()

    with Supervision(bench.context, bench.claim()):
        until(lambda: small_floor.run(first).phase == "train", "the first one trains")
        with Supervision(bench.context, bench.claim()):
            until(lambda: small_floor.run(second).phase == "train", "the second one trains")
            (small_floor.folder / "artifacts" / "go").touch()

    assert [small_floor.run(run_id).reused_from for run_id in (first, second)] == [None, None]


def test_a_retry_is_trained_although_an_equal_run_has_finished(bench: Bench) -> None:
    failed = bench.submit()
    claim = bench.claim()
    with bench.floor.database.begin() as session:
        lifecycle.fail(session, run_id=failed, attempt=claim.attempt, reason=FailureReason.KILLED, detail="")
    bench.trained()

    with bench.floor.database.begin() as session:
        retried = retry_run(session, failed)
    bench.work()

    run = bench.floor.run(retried)
    assert (run.state, run.reused_from) == (RunState.SUCCEEDED, None)


def test_a_reused_run_keeps_its_original_and_goes_with_it_in_a_cascade(bench: Bench) -> None:
    first, second = bench.trained(), bench.trained()

    with pytest.raises(StillUsed) as refusal:
        bench.delete(first)
    bench.delete(first, cascade=True)

    assert {"kind": "run", "id": second, "name": None} in refusal.value.extra["dependents"]
    with bench.floor.database.read() as session:
        assert session.scalars(select(RunRow.id).where(RunRow.id.in_([first, second]))).all() == []


def test_deleting_the_reused_run_leaves_the_files_of_its_original(bench: Bench) -> None:
    first, second = bench.trained(), bench.trained()

    bench.delete(second)

    assert bench.floor.run(bench.trained()).reused_from == first


def test_an_attempt_that_has_lost_its_lease_reuses_nothing(bench: Bench) -> None:
    first, second = bench.trained(), bench.submit()
    claim = bench.claim()

    with bench.floor.database.begin() as session:
        ended = lifecycle.reuse(session, run_id=second, attempt=claim.attempt + 1, original=first)

    assert (ended, bench.floor.state(second), bench.floor.run(second).reused_from) == (False, RunState.STARTING, None)


def test_a_run_whose_original_is_gone_is_not_ended(bench: Bench) -> None:
    second = bench.submit()
    claim = bench.claim()

    with bench.floor.database.begin() as session:
        assert not lifecycle.reuse(session, run_id=second, attempt=claim.attempt, original="run_gone")

    assert bench.floor.state(second) == RunState.STARTING


def test_a_cancelled_run_may_end_with_an_equal_result_as_a_trained_one_may(bench: Bench) -> None:
    first, second = bench.trained(), bench.submit()
    claim = claim_as(bench.floor.database, "worker-1")
    with bench.floor.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.id == second).values(state="cancelling"))

    with bench.floor.database.begin() as session:
        assert lifecycle.reuse(session, run_id=second, attempt=claim.attempt, original=first)

    assert bench.floor.state(second) == RunState.SUCCEEDED
