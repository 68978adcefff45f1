"""Another try is a new run in the old one's place; what was concluded without it is taken back."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from cellgate.contract.cells import Cell
from cellgate.contract.configs import GnnConfig, PrepareConfig
from cellgate.contract.experiment import ExperimentSpec, RunLimits
from cellgate.contract.states import FailureReason, RunState
from service.domain.errors import Conflict, NotFound
from service.domain.principals import Owner
from service.store import lifecycle, run_actions
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.datasets import create_dataset, get_dataset, preparing_runs
from service.store.experiments import (
    cancel_experiment,
    create_experiment,
    decisions_of,
    get_experiment,
)
from service.store.jobs import create_job, get_job, jobs_of_experiment, runs_of_jobs
from service.store.recorder import record_checkpoint, record_metrics
from service.store.retries import retry_job, retry_job_at, retry_run
from service.store.runs import events_of, get_run, metrics_of
from service.store.summaries import list_experiments
from service.store.tables import RunRow
from tests.fakes import F1s, FakeTrainers

LOST = (FailureReason.KILLED, -9)
ME = Owner(id="pri_me", name="me")
FUSION_IS_DUE: F1s = {
    "transformer": [0.87, 0.88],
    "gnn": [0.86, 0.87],
    "ensemble": [0.89, 0.89],
    "fusion": [0.93, 0.94],
}


def submit(database: Database, dataset_id: str, spec: ExperimentSpec) -> str:
    with database.begin() as session:
        return create_experiment(session, name="question", dataset_id=dataset_id, spec=spec).id


def retry(database: Database, run_id: str) -> str:
    with database.begin() as session:
        return retry_run(session, run_id)


def runs_of(database: Database, experiment_id: str, step: str) -> Sequence[RunRow]:
    with database.read() as session:
        (job,) = (job for job in jobs_of_experiment(session, experiment_id) if job.step == step)
        return runs_of_jobs(session, [job.id])[job.id]


def claim(database: Database) -> Claim:
    with database.begin() as session:
        found = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
    assert found is not None
    return found


def failed_run(database: Database, dataset_id: str) -> Claim:
    """A failed run of a job of its own that left a checkpoint and half a curve."""
    with database.begin() as session:
        limits = RunLimits(priority=3)
        create_job(
            session,
            cell=Cell.GNN,
            dataset_id=dataset_id,
            config={},
            seeds=[5],
            limits=limits,
            owner=ME,
        )
    held = claim(database)
    with database.begin() as session:
        points = [("dev/f1", 10, 0.5), ("dev/f1", 20, 0.6)]
        record_metrics(session, run_id=held.run_id, attempt=1, points=points)
        record_checkpoint(session, run_id=held.run_id, attempt=1, path=f"{held.path}/checkpoint", step=10)
        lifecycle.fail(session, run_id=held.run_id, attempt=1, reason=LOST[0], detail="killed")
    return held


def test_a_new_run_takes_the_place_of_a_failed_one_and_goes_on_from_its_checkpoint(
    database: Database, dataset_id: str
) -> None:
    old = failed_run(database, dataset_id)

    new_id = retry(database, old.run_id)
    new = claim(database)

    assert (new.run_id, new.attempt, new.resume_from) == (new_id, 1, f"{old.path}/checkpoint")
    with database.read() as session:
        ended, run = get_run(session, old.run_id), get_run(session, new_id)
        assert [found.id for found in runs_of_jobs(session, [old.job_id])[old.job_id]] == [new_id]
        reported = events_of(session, run_id=old.run_id)[-1]
    assert (ended.state, ended.failure_reason, ended.superseded_by) == (RunState.FAILED, "killed", new_id)
    assert (run.job_id, run.seed, run.priority, run.owner, run.owner_id) == (ended.job_id, 5, 3, "me", "pri_me")
    assert (reported.kind, reported.body) == ("retried", {"by": new_id})


def test_the_curves_of_a_retried_run_begin_where_those_of_the_old_one_did(database: Database, dataset_id: str) -> None:
    old = failed_run(database, dataset_id)
    new_id = retry(database, old.run_id)
    claim(database)
    with database.begin() as session:
        record_metrics(session, run_id=new_id, attempt=1, points=[("dev/f1", 20, 0.61), ("dev/f1", 30, 0.7)])

    with database.read() as session:
        (whole,), (before,) = metrics_of(session, new_id), metrics_of(session, old.run_id)
    assert (whole.steps, whole.values) == ([10, 20, 30], [0.5, 0.61, 0.7])
    assert (before.steps, before.values) == ([10, 20], [0.5, 0.6])


def test_a_run_is_tried_again_once_and_its_successor_again(database: Database, dataset_id: str) -> None:
    old = failed_run(database, dataset_id)
    second = retry(database, old.run_id)
    with pytest.raises(Conflict, match=f"tried again already: run {second} counts"):
        retry(database, old.run_id)
    with pytest.raises(Conflict, match="is queued; only a run that failed or was cancelled"):
        retry(database, second)
    with database.begin() as session:
        run_actions.cancel_run(session, second)

    third = retry(database, second)

    with database.read() as session:
        assert [run.id for run in runs_of_jobs(session, [old.job_id])[old.job_id]] == [third]
    assert claim(database).resume_from == f"{old.path}/checkpoint"


def test_what_has_succeeded_or_does_not_exist_cannot_be_tried_again(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)
    trainers.work()
    run = runs_of(database, experiment_id, "51")[0]
    with pytest.raises(Conflict, match="is succeeded; only"):
        retry(database, run.id)
    with pytest.raises(Conflict, match="nothing to try again"), database.begin() as session:
        retry_job(session, run.job_id)
    with pytest.raises(NotFound):
        retry(database, "run_none")


def test_a_job_tries_exactly_its_failed_and_cancelled_seeds_again(database: Database, dataset_id: str) -> None:
    with database.begin() as session:
        job = create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=[0, 1, 2, 3])
        ids = [run.id for run in runs_of_jobs(session, [job.id])[job.id]]
        run_actions.cancel_run(session, ids[3])
    first, second = claim(database), claim(database)
    with database.begin() as session:
        lifecycle.succeed(session, run_id=first.run_id, attempt=1, exit_code=0, result={})
        lifecycle.fail(session, run_id=second.run_id, attempt=1, reason=LOST[0], detail="killed")

    with database.begin() as session:
        made = retry_job(session, job.id)
        now = runs_of_jobs(session, [job.id])[job.id]

    assert [run.id for run in now] == [ids[0], made[0], ids[2], made[1]]
    assert [run.state for run in now] == ["succeeded", "queued", "queued", "queued"]


def test_an_experiment_that_failed_in_pre_flight_goes_on_by_itself_once_that_is_tried_again(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)
    trainers.failing[(Cell.PREFLIGHT, 0)] = LOST
    trainers.work()
    with database.read() as session:
        assert get_experiment(session, experiment_id).state == "failed"

    trainers.failing.clear()
    retry(database, runs_of(database, experiment_id, "preflight")[0].id)
    with database.read() as session:
        again = get_experiment(session, experiment_id)
        assert (again.state, again.finished_at, again.failure_detail) == ("preflight", None, None)
    trainers.work()

    with database.read() as session:
        ended = get_experiment(session, experiment_id)
        assert (ended.state, ended.failure_detail) == ("succeeded", None)
        (overview,) = list_experiments(session)
    assert (overview.runs_done, overview.runs_total) == (6, 6)


def test_a_seed_that_was_lost_and_is_tried_again_counts_in_a_new_gate_evidence_and_decision(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    # given an experiment that ended with a failed gate because a seed of 51 was lost
    experiment_id = submit(database, dataset_id, spec)
    trainers.failing[(Cell.TRANSFORMER, 1)] = LOST
    trainers.work()
    with database.read() as session:
        (first,) = decisions_of(session, experiment_id)
        gate = get_experiment(session, experiment_id).gate
    assert first.outcome == "improve"
    assert gate is not None
    assert gate["verdict"] == "fail"

    # when the seed is tried again
    trainers.failing.clear()
    lost = runs_of(database, experiment_id, "51")[1]
    retry(database, lost.id)

    # then the experiment is back where it waits for it, and what it had concluded is kept in an event
    with database.read() as session:
        waiting = get_experiment(session, experiment_id)
        assert (waiting.state, waiting.gate, decisions_of(session, experiment_id)) == ("training", None, [])
        (withdrawn,) = (e for e in events_of(session, experiment_id=experiment_id) if e.kind == "withdrawn")
    assert withdrawn.body["gate"] == gate
    assert withdrawn.body["decisions"] == [first.model_dump(mode="json")]
    assert list(withdrawn.body["jobs"]) == ["54-bases"]

    # and it concludes anew by itself, running nothing but the lost seed and the new evidence
    assert trainers.work() == [(Cell.TRANSFORMER, 1), (Cell.AGGREGATION, 0)]
    with database.read() as session:
        (second,) = decisions_of(session, experiment_id)
        assert get_experiment(session, experiment_id).state == "succeeded"
        steps = [job.step for job in jobs_of_experiment(session, experiment_id)]
    assert second.outcome == "ensemble"
    assert sorted(map(str, steps)) == ["51", "52", "54-bases", "None", "preflight"]


def test_a_job_tried_again_at_another_rate_is_a_new_job_of_all_seeds_and_the_old_one_keeps_what_it_was(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    # given an experiment that ended with a failed gate because a seed of 51 collapsed
    experiment_id = submit(database, dataset_id, spec)
    trainers.failing[(Cell.TRANSFORMER, 1)] = (FailureReason.COLLAPSE, 6)
    trainers.work()
    trainers.failing.clear()
    old = runs_of(database, experiment_id, "51")[0].job_id

    # when its job is tried again at a third of the rate
    with database.begin() as session:
        new = retry_job_at(session, old, 7e-6)

    # then another job does that step, and what rested on the old one is withdrawn, with the rate on record
    with database.read() as session:
        before, after = get_job(session, old), get_job(session, new)
        (withdrawn,) = (e for e in events_of(session, experiment_id=experiment_id) if e.kind == "withdrawn")
        waiting = get_experiment(session, experiment_id)
    assert (before.step, after.step, after.seeds) == (None, "51", before.seeds)
    assert before.spec["training"]["learning_rate"]["value"] is None
    assert after.spec["training"]["learning_rate"]["value"] == 7e-6
    assert (waiting.state, waiting.gate) == ("training", None)
    assert withdrawn.body["because"] == f"job {old} is tried again at a learning rate of 7e-06"
    assert withdrawn.body["jobs"]["51"] == old

    # and the experiment concludes from the seeds of the new one
    ran = trainers.work()
    assert sorted(ran) == [(Cell.TRANSFORMER, 0), (Cell.TRANSFORMER, 1), (Cell.AGGREGATION, 0)]
    with database.read() as session:
        assert get_experiment(session, experiment_id).state == "succeeded"
        (decision,) = decisions_of(session, experiment_id)
    assert decision.outcome == "ensemble"


def test_a_job_of_its_own_is_tried_again_at_another_rate_and_its_open_runs_are_cancelled(
    database: Database, dataset_id: str
) -> None:
    config = GnnConfig().model_dump(mode="json")
    with database.begin() as session:
        job = create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config=config, seeds=[0, 1], owner=ME)
        run_actions.cancel_run(session, runs_of_jobs(session, [job.id])[job.id][0].id)

    with database.begin() as session:
        new = get_job(session, retry_job_at(session, job.id, 1e-4))
        states = {one.id: [run.state for run in runs_of_jobs(session, [one.id])[one.id]] for one in (job, new)}

    assert states == {job.id: ["cancelled", "cancelled"], new.id: ["queued", "queued"]}
    assert (new.owner_id, new.spec["training"]["learning_rate"]["value"]) == (ME.id, 1e-4)


def test_what_trains_no_model_or_did_not_fail_is_not_tried_again_at_another_rate(
    database: Database, dataset_id: str
) -> None:
    with database.begin() as session:
        check = create_job(session, cell=Cell.PREFLIGHT, dataset_id=dataset_id, config={}, seeds=[0])
        model = create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=[0])

    with database.begin() as session, pytest.raises(Conflict, match="trains no model"):
        retry_job_at(session, check.id, 1e-4)
    with database.begin() as session, pytest.raises(Conflict, match="nothing to try again"):
        retry_job_at(session, model.id, 1e-4)


def test_a_lost_seed_of_fusion_withdraws_the_last_decision_and_keeps_the_first(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    trainers.f1s = FUSION_IS_DUE
    experiment_id = submit(database, dataset_id, spec)
    trainers.failing[(Cell.FUSION, 0)] = LOST
    trainers.work()
    trainers.failing.clear()

    retry(database, runs_of(database, experiment_id, "53")[0].id)

    with database.read() as session:
        assert get_experiment(session, experiment_id).state == "fusing"
        assert [found.stage for found in decisions_of(session, experiment_id)] == ["bases"]
    assert trainers.work() == [(Cell.FUSION, 0), (Cell.AGGREGATION, 0)]
    with database.read() as session:
        assert [found.outcome for found in decisions_of(session, experiment_id)] == ["train_fusion", "fusion"]


def test_steps_that_run_on_without_the_seed_are_cancelled_when_it_is_tried_again(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)
    trainers.failing[(Cell.GNN, 0)] = LOST
    trainers.work(limit=5)
    evidence = claim(database)
    assert evidence.cell is Cell.AGGREGATION
    trainers.failing.clear()

    retry(database, runs_of(database, experiment_id, "52")[0].id)
    with database.begin() as session:
        assert get_run(session, evidence.run_id).state == "cancelling"
        lifecycle.cancelled(session, run_id=evidence.run_id, attempt=evidence.attempt)
    trainers.work()

    with database.read() as session:
        assert get_experiment(session, experiment_id).state == "succeeded"
        assert len(decisions_of(session, experiment_id)) == 1
    with pytest.raises(Conflict, match="was withdrawn"):
        retry(database, evidence.run_id)


def test_a_cancelled_experiment_stays_so(database: Database, dataset_id: str, spec: ExperimentSpec) -> None:
    experiment_id = submit(database, dataset_id, spec)
    with database.begin() as session:
        cancel_experiment(session, experiment_id)
        run = session.scalars(select(RunRow).where(RunRow.experiment_id == experiment_id)).one()
    with pytest.raises(Conflict, match="was cancelled; submit a new one"):
        retry(database, run.id)


def test_a_data_set_that_failed_is_prepared_again(database: Database, trainers: FakeTrainers) -> None:
    with database.begin() as session:
        dataset_id = create_dataset(session, name="d", source="/f.jsonl", config=PrepareConfig()).id
    trainers.failing[(Cell.PREPARE, 0)] = LOST
    trainers.work()
    trainers.failing.clear()
    with database.read() as session:
        failed = get_dataset(session, dataset_id)
        assert (failed.state, failed.failure_detail) == ("failed", "made to fail")
        old = preparing_runs(session, [dataset_id])[dataset_id]

    new = retry(database, old)
    with database.read() as session:
        again = get_dataset(session, dataset_id)
        assert (again.state, again.failure_detail) == ("preparing", None)
        assert preparing_runs(session, [dataset_id]) == {dataset_id: new}
    trainers.work()

    with database.read() as session:
        assert get_dataset(session, dataset_id).state == "ready"
