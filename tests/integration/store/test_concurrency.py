"""What several writers at the same time can and cannot do, on both databases."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import RunState
from service.domain.errors import Conflict
from service.store import lifecycle, pipeline
from service.store.claims import claim_next
from service.store.database import Database, now_s
from service.store.datasets import create_dataset
from service.store.dispatch import due_for_dispatch
from service.store.experiments import cancel_experiment, create_experiment, decisions_of, get_experiment
from service.store.jobs import create_job, jobs_of_experiment
from service.store.recorder import record_metrics, record_progress
from service.store.tables import RunRow
from service.store.transitions import lock_run
from service.store.uptime import stamp_what_changed
from tests.fakes import FakeTrainers
from tests.lapsed_leases import expire_lapsed

JOIN_S = 120


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database at the newest schema."""
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def trainers(database: Database, tmp_path: Path) -> FakeTrainers:
    """Trainers whose bases need fusion."""
    f1s = {"transformer": [0.86] * 3, "gnn": [0.87] * 3, "ensemble": [0.88] * 3, "fusion": [0.92] * 3}
    return FakeTrainers(database, tmp_path / "artifacts", f1s)  # type: ignore[arg-type]


@pytest.fixture
def dataset_id(database: Database, trainers: FakeTrainers) -> str:
    """A data set that is ready."""
    with database.begin() as session:
        made = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
    trainers.work()
    return made.id


def together(*bodies: Callable[[], object]) -> None:
    """Run the bodies at the same time and raise what any of them raised."""
    start, errors = threading.Barrier(len(bodies)), []

    def run(body: Callable[[], object]) -> None:
        start.wait()
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def test_two_workers_never_claim_the_same_run(database: Database, dataset_id: str) -> None:
    with database.begin() as session:
        create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=list(range(32)))
    claimed: list[tuple[str, int]] = []

    def worker() -> None:
        while True:
            with database.begin() as session:
                claim = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
                waiting = session.scalar(select(RunRow.id).where(RunRow.state == RunState.QUEUED).limit(1))
            if claim is not None:
                claimed.append((claim.run_id, claim.attempt))
            elif waiting is None:
                return

    together(*[worker] * 6)

    assert len(claimed) == 32
    assert set(Counter(claimed).values()) == {1}


@pytest.mark.locks
def test_whole_experiments_run_by_many_workers_at_once_start_no_step_twice(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    with database.begin() as session:
        spec = ExperimentSpec(seeds=[0, 1, 2])
        ids = [create_experiment(session, name=str(n), dataset_id=dataset_id, spec=spec).id for n in range(3)]

    def worker() -> None:
        # A claim may find nothing while another worker is about to queue the next step.
        for _pause in range(40):
            while trainers.work_once():
                pass
            time.sleep(0.01)

    together(*[worker] * 4)
    trainers.work()

    with database.read() as session:
        for experiment_id in ids:
            experiment = get_experiment(session, experiment_id)
            steps = [job.step for job in jobs_of_experiment(session, experiment_id)]
            assert experiment.state == "succeeded"
            assert sorted(map(str, steps)) == ["51", "52", "53", "54-bases", "54-final", "preflight"]
            assert [d.outcome for d in decisions_of(session, experiment_id)] == ["train_fusion", "fusion"]
    assert len(trainers.steps) == 1 + 3 * (1 + 3 + 3 + 1 + 3 + 1)


@pytest.mark.locks
def test_progress_cancel_expiry_and_claims_at_once_neither_hang_nor_lose_a_run(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    with database.begin() as session:
        spec = ExperimentSpec(seeds=[0, 1, 2], autopilot=True)
        ids = [create_experiment(session, name=str(n), dataset_id=dataset_id, spec=spec).id for n in range(4)]
    trainers.work(limit=4)

    def supervisor(seed: int) -> None:
        rng = random.Random(seed)
        for _round in range(15):
            with database.begin() as session:
                claim = claim_next(session, worker=f"w{seed}", queues=["cpu"], lease_s=rng.choice([-1.0, 60.0]))
            if claim is None:
                continue
            held = {"run_id": claim.run_id, "attempt": claim.attempt}
            with database.begin() as session:
                lifecycle.mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
            for step in range(3):
                with database.begin() as session:
                    record_progress(session, run_id=claim.run_id, attempt=claim.attempt, steps_done=step)
                with database.begin() as session:
                    record_metrics(session, **held, points=[("dev/f1", step, 0.5)])  # type: ignore[arg-type]
            with database.begin() as session:
                lifecycle.release(session, run_id=claim.run_id, attempt=claim.attempt, why="draining")
                pipeline.after_run(session, run_id=claim.run_id, artifacts=trainers.artifacts)

    def reconciler() -> None:
        for _round in range(30):
            with database.begin() as session:
                for run_id in expire_lapsed(session):
                    pipeline.after_run(session, run_id=run_id, artifacts=trainers.artifacts)
            with database.begin() as session:
                due_for_dispatch(session, redispatch_after_s=0)

    def canceller() -> None:
        for experiment_id in ids[:2]:
            time.sleep(0.2)
            with database.begin() as session:
                cancel_experiment(session, experiment_id)

    together(*[lambda seed=seed: supervisor(seed) for seed in range(3)], reconciler, canceller)

    # every run is where the rules may leave it, and what was not cancelled still comes to its end
    with database.begin() as session:
        expire_lapsed(session)
    trainers.work(limit=1000)
    with database.begin() as session:
        for experiment_id in pipeline.idle_experiments(session):
            pipeline.advance(session, experiment_id=experiment_id, artifacts=trainers.artifacts)
    trainers.work(limit=1000)
    with database.read() as session:
        states = [get_experiment(session, experiment_id).state for experiment_id in ids]
        left = session.scalars(select(RunRow.state).where(RunRow.state.not_in(["succeeded", "cancelled"]))).all()
    assert states[:2] == ["cancelled", "cancelled"]
    assert set(states[2:]) <= {"succeeded", "failed"}
    assert set(left) <= {"failed"}


@pytest.mark.locks
def test_an_experiment_submitted_while_its_data_set_becomes_ready_is_never_forgotten(
    database: Database, trainers: FakeTrainers
) -> None:
    for _round in range(5):
        with database.begin() as session:
            dataset = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
        ids: list[str] = []

        def submit(dataset_id: str = dataset.id, ids: list[str] = ids) -> None:
            with database.begin() as session:
                ids.append(
                    create_experiment(session, name="q", dataset_id=dataset_id, spec=ExperimentSpec(seeds=[0])).id
                )

        together(lambda: trainers.work(limit=1), submit, submit)

        with database.read() as session:
            assert {get_experiment(session, experiment_id).state for experiment_id in ids} == {"preflight"}
        # The next round shall find nothing queued.
        with database.begin() as session:
            for experiment_id in ids:
                cancel_experiment(session, experiment_id)


def test_a_reader_does_not_wait_for_a_writer(database: Database, dataset_id: str) -> None:
    with database.begin() as writer:
        create_job(writer, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=[0])
        seen: list[int] = []

        def look() -> None:
            with database.read() as reader:
                seen.append(len(reader.scalars(select(RunRow).where(RunRow.cell == "52")).all()))

        together(look)
        assert seen == [0]


def test_a_failed_block_leaves_nothing(database: Database, dataset_id: str) -> None:
    def fail_half_way() -> None:
        with database.begin() as session:
            create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=[0])
            raise Conflict("on purpose")

    with pytest.raises(Conflict):
        fail_half_way()

    with database.read() as session:
        assert session.scalars(select(RunRow).where(RunRow.cell == "52")).all() == []


def test_the_clock_is_the_databases_and_moves_within_a_transaction(database: Database) -> None:
    with database.begin() as session:
        before = session.scalar(select(now_s()))
        time.sleep(0.05)
        after = session.scalar(select(now_s()))
    assert before is not None
    assert after is not None
    assert abs(after - time.time()) < 60
    assert after > before


def test_the_uptime_of_queued_runs_is_stored_without_waiting_for_those_that_others_hold(
    postgres_url: str, tmp_path: Path
) -> None:
    database = Database(postgres_url)
    trainers = FakeTrainers(database, tmp_path / "artifacts")
    with database.begin() as session:
        made = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
    trainers.work()
    with database.begin() as session:
        job = create_job(session, cell=Cell.GNN, dataset_id=made.id, config={}, seeds=[0, 1, 2])
        ids = sorted(session.scalars(select(RunRow.id).where(RunRow.job_id == job.id)))
        session.execute(text("UPDATE runs SET queued_uptime_s = NULL"))

    with database.begin() as holder, database.begin() as session:
        lock_run(holder, ids[1])
        session.execute(text("SET LOCAL lock_timeout = '5s'"))
        stamp_what_changed(session)

    with database.read() as session:
        stamped = select(RunRow.id).where(RunRow.queued_uptime_s.is_not(None), RunRow.state == RunState.QUEUED)
        assert sorted(session.scalars(stamped)) == [ids[0], ids[2]]
    database.dispose()
