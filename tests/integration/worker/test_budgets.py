"""A budget stops the runs of its experiment at a checkpoint, and a retry goes on from there."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import Budget, ExperimentSpec
from cellgate.contract.states import FailureReason, RunState
from service.store.budgets import spent_s
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment
from service.store.retries import retry_run
from service.store.tables import AttemptRow, JobRow, RunRow
from tests.fakes import FakeTrainers
from tests.worker_harness import Floor, Supervision, gnn_result, until
from worker.attempt import supervise
from worker.context import WorkerContext

SAVES_WHEN_STOPPED = """
(out / "checkpoint" / "step-7").mkdir(parents=True)
(out / "checkpoint" / "step-7" / "state.json").write_text("{}")
(out / "checkpoint" / "current.json").write_text('{"folder": "step-7"}')
say("checkpoint", step=7, path="checkpoint")
stopped(lambda *_: os._exit(8))
wait()
"""
FINISHES = "finish()"
BUDGET_S = 1000.0


class Experiment:
    """An experiment with a budget whose base models wait for a worker."""

    def __init__(self, floor: Floor, budget_s: float | None = BUDGET_S) -> None:
        self.floor = floor
        with floor.database.begin() as session:
            made = create_dataset(session, name="ready", source="/data/made.jsonl", config=PrepareConfig())
        trainers = FakeTrainers(floor.database, floor.folder / "artifacts")
        trainers.work()
        budget = None if budget_s is None else Budget(device_s=budget_s)
        with floor.database.begin() as session:
            spec = ExperimentSpec(seeds=[0], budget=budget)
            self.id = create_experiment(session, name="question", dataset_id=made.id, spec=spec).id
        # The pre-flight.
        trainers.work(limit=1)

    def take(self, seconds: float) -> None:
        """Let the experiment have been at work for so long."""
        with self.floor.database.begin() as session:
            session.execute(update(AttemptRow).values(duration_s=0.0))
            preflight = select(RunRow.id).where(RunRow.experiment_id == self.id, RunRow.cell == "preflight")
            session.execute(update(AttemptRow).where(AttemptRow.run_id.in_(preflight)).values(duration_s=seconds))


@pytest.fixture
def new_experiment(small_floor: Floor) -> Callable[[float | None], Experiment]:
    return lambda budget_s: Experiment(small_floor, budget_s)


def worker(floor: Floor, script: str) -> WorkerContext:
    # A renewal, which looks at the budget, each quarter of the lease.
    return floor.context(script, result=gnn_result(), lease_s=2.0)


def test_a_run_that_is_at_work_when_the_budget_is_spent_saves_a_checkpoint_and_says_why_it_failed(
    small_floor: Floor,
) -> None:
    experiment, context = Experiment(small_floor), worker(small_floor, SAVES_WHEN_STOPPED)
    claim = small_floor.claim(context)

    with Supervision(context, claim):
        until(lambda: small_floor.attempts(claim.run_id)[0].checkpoint is not None, "it has saved a checkpoint")
        experiment.take(BUDGET_S)

    run = small_floor.run(claim.run_id)
    assert (run.state, run.failure_reason) == (RunState.FAILED, FailureReason.BUDGET_EXCEEDED)
    assert "budget is 1000 s" in (run.failure_detail or "")
    assert "retry" in (run.failure_detail or "")


def test_a_run_that_would_start_with_the_budget_spent_starts_no_trainer(small_floor: Floor) -> None:
    experiment, context = Experiment(small_floor), worker(small_floor, FINISHES)
    experiment.take(BUDGET_S)
    claim = small_floor.claim(context)

    supervise(context, claim)

    run = small_floor.run(claim.run_id)
    assert run.failure_reason == FailureReason.BUDGET_EXCEEDED
    assert not (small_floor.folder / "artifacts" / claim.path).exists()


@pytest.mark.parametrize("budget_s", [None, 2 * BUDGET_S])
def test_a_run_within_the_budget_or_without_one_is_left_alone(
    new_experiment: Callable[[float | None], Experiment], budget_s: float | None
) -> None:
    experiment = new_experiment(budget_s)
    context = worker(experiment.floor, FINISHES)
    experiment.take(BUDGET_S)
    claim = experiment.floor.claim(context)

    supervise(context, claim)

    assert experiment.floor.run(claim.run_id).failure_reason is not FailureReason.BUDGET_EXCEEDED


def test_a_retry_is_not_held_back_by_the_budget(small_floor: Floor) -> None:
    experiment, context = Experiment(small_floor), worker(small_floor, FINISHES)
    experiment.take(BUDGET_S)
    claim = small_floor.claim(context)
    supervise(context, claim)

    with small_floor.database.begin() as session:
        retried = retry_run(session, claim.run_id)
        session.execute(update(RunRow).where(RunRow.id == retried).values(priority=50))
    again = small_floor.claim(context)

    assert (again.run_id, again.budget_s) == (retried, None)


def test_the_attempts_of_all_cells_count_and_those_of_other_experiments_do_not(small_floor: Floor) -> None:
    first = Experiment(small_floor)
    first.take(30.0)
    claim = small_floor.claim(worker(small_floor, FINISHES))
    with small_floor.database.begin() as session:
        session.execute(update(AttemptRow).where(AttemptRow.run_id == claim.run_id).values(duration_s=12.0))
        other = session.scalars(select(JobRow.id).where(JobRow.experiment_id.is_(None))).all()

    with small_floor.database.read() as session:
        spent = [spent_s(session, first.id, trained=trained) for trained in (None, True, False)]
    assert (spent, bool(other)) == ([42.0, 12.0, 30.0], True)
