import json
from pathlib import Path

import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.configs import AggregationConfig, FusionConfig, GnnConfig, PrepareConfig, TransformerConfig
from cellgate.contract.experiment import ExperimentSpec, Policy
from cellgate.contract.states import DatasetState, ExperimentState, FailureReason
from service.domain.errors import Conflict, GateNotPassed, InvalidSpec
from service.store.database import Database
from service.store.datasets import create_dataset, get_dataset
from service.store.experiments import (
    cancel_experiment,
    create_experiment,
    create_experiment_job,
    decisions_of,
    get_experiment,
)
from service.store.jobs import jobs_of_experiment, runs_of_jobs
from service.store.paging import PageOf
from service.store.pipeline import advance, after_run, idle_experiments, unfinished_datasets
from service.store.summaries import list_experiments
from tests.fakes import DATASET_HASH, F1s, FakeTrainers

BASES_NEED_FUSION: F1s = {
    "transformer": [0.86, 0.87],
    "gnn": [0.87, 0.88],
    "ensemble": [0.88, 0.89],
    "fusion": [0.92, 0.93],
}


def submit(database: Database, dataset_id: str, spec: ExperimentSpec) -> str:
    with database.begin() as session:
        return create_experiment(session, name="question", dataset_id=dataset_id, spec=spec).id


def state_of(database: Database, experiment_id: str) -> str:
    with database.read() as session:
        return get_experiment(session, experiment_id).state


def steps_of(database: Database, experiment_id: str) -> list[str | None]:
    with database.read() as session:
        return [job.step for job in jobs_of_experiment(session, experiment_id)]


def test_a_prepared_data_set_carries_its_summary_and_where_it_lies(database: Database, dataset_id: str) -> None:
    with database.read() as session:
        dataset = get_dataset(session, dataset_id)
    assert dataset.state == DatasetState.READY
    assert dataset.content_hash == DATASET_HASH
    assert dataset.summary is not None
    assert dataset.summary["rows"] == 600
    assert dataset.path is not None
    assert dataset.path.endswith("/attempt-1/dataset")


def test_above_the_skip_threshold_the_experiment_ends_without_fusion(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)

    ran = trainers.work()

    trained = {(cell, seed) for cell in (Cell.TRANSFORMER, Cell.GNN) for seed in (0, 1)}
    assert (ran[0], set(ran[1:5]), ran[5:]) == ((Cell.PREFLIGHT, 0), trained, [(Cell.AGGREGATION, 0)])
    assert steps_of(database, experiment_id) == ["preflight", "51", "52", "54-bases"]
    with database.read() as session:
        experiment = get_experiment(session, experiment_id)
        (decision,) = decisions_of(session, experiment_id)
    assert experiment.state == ExperimentState.SUCCEEDED
    assert experiment.finished_at is not None
    assert experiment.gate is not None
    assert experiment.gate["verdict"] == "pass"
    assert (decision.stage, decision.outcome, decision.option) == ("bases", "ensemble", "ensemble")


def test_below_the_skip_threshold_fusion_is_trained_and_weighed(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    trainers.f1s = BASES_NEED_FUSION
    experiment_id = submit(database, dataset_id, spec)

    trainers.work()

    assert steps_of(database, experiment_id) == ["preflight", "51", "52", "54-bases", "53", "54-final"]
    with database.read() as session:
        bases, final = decisions_of(session, experiment_id)
    assert bases.outcome == "train_fusion"
    assert (final.stage, final.outcome) == ("final", "fusion")
    assert state_of(database, experiment_id) == ExperimentState.SUCCEEDED


def test_an_experiment_passes_through_every_state_in_order(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    trainers.f1s = BASES_NEED_FUSION
    experiment_id = submit(database, dataset_id, spec)
    seen = [state_of(database, experiment_id)]

    while trainers.work_once():
        state = state_of(database, experiment_id)
        seen += [state] if state != seen[-1] else []

    assert seen == ["preflight", "training", "deciding", "fusing", "concluding", "succeeded"]


def test_an_experiment_waits_for_its_data_set_and_then_starts(database: Database, trainers: FakeTrainers) -> None:
    with database.begin() as session:
        dataset = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
        experiment = create_experiment(session, name="early", dataset_id=dataset.id, spec=ExperimentSpec(seeds=[0]))
    assert experiment.state == ExperimentState.WAITING

    trainers.work(limit=1)

    assert state_of(database, experiment.id) == ExperimentState.PREFLIGHT


def test_an_experiment_whose_data_set_fails_fails_with_its_reason(database: Database, trainers: FakeTrainers) -> None:
    trainers.failing = {(Cell.PREPARE, 0): (FailureReason.DATA_ERROR, 3)}
    with database.begin() as session:
        dataset = create_dataset(session, name="bad", source="/data/bad.jsonl", config=PrepareConfig())
        experiment = create_experiment(session, name="early", dataset_id=dataset.id, spec=ExperimentSpec())

    trainers.work()

    with database.read() as session:
        assert get_dataset(session, dataset.id).state == DatasetState.FAILED
        failed = get_experiment(session, experiment.id)
    assert failed.state == ExperimentState.FAILED
    assert "made to fail" in str(failed.failure_detail)


def test_a_failed_preflight_ends_the_experiment_before_anything_is_trained(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    trainers.failing = {(Cell.PREFLIGHT, 0): (FailureReason.PREFLIGHT_FAILED, 4)}
    experiment_id = submit(database, dataset_id, spec)

    ran = trainers.work()

    assert ran == [(Cell.PREFLIGHT, 0)]
    with database.read() as session:
        experiment = get_experiment(session, experiment_id)
    assert experiment.state == ExperimentState.FAILED
    assert "made to fail" in str(experiment.failure_detail)


def test_a_failed_seed_fails_the_gate_and_the_rest_is_still_evidence(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    trainers.failing = {(Cell.GNN, 1): (FailureReason.COLLAPSE, 5)}
    experiment_id = submit(database, dataset_id, spec)

    trainers.work()

    with database.read() as session:
        experiment = get_experiment(session, experiment_id)
        (decision,) = decisions_of(session, experiment_id)
    assert experiment.state == ExperimentState.SUCCEEDED
    assert decision.outcome == "improve"
    assert decision.evidence is not None
    assert experiment.gate is not None
    failed = {check["name"] for check in experiment.gate["checks"] if check["verdict"] == "fail"}
    assert failed == {"seeds_complete", "exit_codes", "no_collapse", "lr_cache", "metadata_valid"}


def test_without_one_complete_seed_the_decision_is_to_improve_without_evidence(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    collapse = (FailureReason.COLLAPSE, 5)
    trainers.failing = {(Cell.GNN, 1): collapse, (Cell.TRANSFORMER, 0): collapse}
    experiment_id = submit(database, dataset_id, spec)

    trainers.work()

    assert steps_of(database, experiment_id) == ["preflight", "51", "52"]
    with database.read() as session:
        (decision,) = decisions_of(session, experiment_id)
    assert (decision.outcome, decision.evidence) == ("improve", None)


def test_when_fusion_fails_on_every_seed_the_best_without_it_is_shipped(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    diverged = (FailureReason.DIVERGENCE, 6)
    trainers.f1s = BASES_NEED_FUSION
    trainers.failing = {(Cell.FUSION, 0): diverged, (Cell.FUSION, 1): diverged}
    experiment_id = submit(database, dataset_id, spec)

    trainers.work()

    with database.read() as session:
        final = decisions_of(session, experiment_id)[-1]
    assert (final.stage, final.outcome) == ("final", "ensemble")
    assert state_of(database, experiment_id) == ExperimentState.SUCCEEDED


def test_policy_always_trains_fusion_even_where_the_ensemble_is_good_enough(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    trainers.f1s = {"transformer": [0.95], "gnn": [0.94], "ensemble": [0.96], "fusion": [0.955]}
    experiment_id = submit(database, dataset_id, ExperimentSpec(seeds=[0], policy=Policy(fusion="always")))

    trainers.work()

    with database.read() as session:
        decisions = decisions_of(session, experiment_id)
    assert [decision.outcome for decision in decisions] == ["train_fusion", "ensemble"]


def test_the_policys_text_weight_is_the_ensembles_everywhere(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    trainers.f1s = {name: f1s[:1] for name, f1s in BASES_NEED_FUSION.items()}
    experiment_id = submit(database, dataset_id, ExperimentSpec(seeds=[0], policy=Policy(text_weight=0.7)))

    trainers.work()

    with database.read() as session:
        configs = {job.step: job.spec for job in jobs_of_experiment(session, experiment_id)}
    assert configs["54-bases"]["text_weight"] == 0.7
    assert configs["54-final"]["text_weight"] == 0.7
    assert configs["53"]["model"]["text_weight"] == 0.7


def test_what_the_policy_states_is_that_of_the_evidence(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    trainers.f1s = {name: f1s[:1] for name, f1s in BASES_NEED_FUSION.items()}
    stated, not_stated = (
        submit(database, dataset_id, ExperimentSpec(seeds=[0], policy=policy))
        for policy in (Policy(deployment_prevalence=0.01, alert_budget_per_1000=5.0, selective_risk=0.1), Policy())
    )

    trainers.work()

    with database.read() as session:
        prevalences = [
            {
                tuple(job.spec[name] for name in ("deployment_prevalence", "alerts_per_1000", "selective_risk"))
                for job in jobs_of_experiment(session, one)
                if job.step == "54-bases"
            }
            for one in (stated, not_stated)
        ]
    assert prevalences == [{(0.01, 5.0, 0.1)}, {(None, None, None)}]


def test_asking_twice_starts_nothing_twice(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)
    trainers.work(limit=1)
    steps = steps_of(database, experiment_id)
    with database.begin() as session:
        (preflight,) = (
            run
            for job_runs in runs_of_jobs(session, [jobs_of_experiment(session, experiment_id)[0].id]).values()
            for run in job_runs
        )

    for _again in range(3):
        with database.begin() as session:
            after_run(session, run_id=preflight.id, artifacts=trainers.artifacts)
            advance(session, experiment_id=experiment_id, artifacts=trainers.artifacts)

    assert steps_of(database, experiment_id) == steps == ["preflight", "51", "52"]


def test_the_gate_reads_result_json_from_disk_not_from_what_the_worker_reported(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    experiment_id = submit(database, dataset_id, ExperimentSpec(seeds=[0]))
    trainers.work(limit=2)
    with database.read() as session:
        job = next(job for job in jobs_of_experiment(session, experiment_id) if job.step == "51")
        (run,) = runs_of_jobs(session, [job.id])[job.id]
    path = trainers.artifacts / str(run.path) / "result.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": "zero"'))

    trainers.work()

    with database.read() as session:
        experiment = get_experiment(session, experiment_id)
    assert experiment.gate is not None
    checks = {check["name"]: check for check in experiment.gate["checks"]}
    assert experiment.gate["verdict"] == "fail"
    assert checks["metadata_valid"]["verdict"] == "fail"
    assert "seed" in checks["metadata_valid"]["reason"]


def test_without_autopilot_nothing_starts_by_itself_but_gate_and_decision_are_computed(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    experiment_id = submit(database, dataset_id, ExperimentSpec(seeds=[0, 1], autopilot=False))
    trainers.f1s = BASES_NEED_FUSION

    def start_manually(cell: Cell, config: dict[str, object]) -> None:
        with database.begin() as session:
            create_experiment_job(
                session, experiment_id=experiment_id, cell=cell, config=config, artifacts=trainers.artifacts
            )
        trainers.work()

    assert trainers.work() == []
    start_manually(Cell.TRANSFORMER, TransformerConfig().model_dump(mode="json"))
    assert state_of(database, experiment_id) == ExperimentState.TRAINING
    start_manually(Cell.GNN, GnnConfig().model_dump(mode="json"))
    assert state_of(database, experiment_id) == ExperimentState.DECIDING
    start_manually(Cell.AGGREGATION, AggregationConfig().model_dump(mode="json"))
    assert state_of(database, experiment_id) == ExperimentState.FUSING
    start_manually(Cell.FUSION, FusionConfig().model_dump(mode="json"))
    assert state_of(database, experiment_id) == ExperimentState.CONCLUDING
    start_manually(Cell.AGGREGATION, AggregationConfig().model_dump(mode="json"))

    assert state_of(database, experiment_id) == ExperimentState.SUCCEEDED
    assert steps_of(database, experiment_id) == ["51", "52", "54-bases", "53", "54-final"]
    with database.read() as session:
        assert [decision.outcome for decision in decisions_of(session, experiment_id)] == ["train_fusion", "fusion"]


def create_fusion(database: Database, experiment_id: str, artifacts: Path, seeds: list[int] | None = None) -> None:
    with database.begin() as session:
        create_experiment_job(
            session,
            experiment_id=experiment_id,
            cell=Cell.FUSION,
            config=FusionConfig().model_dump(mode="json"),
            artifacts=artifacts,
            seeds=seeds,
        )


def test_fusion_before_the_gate_is_refused_with_the_report(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)

    with pytest.raises(GateNotPassed) as refused:
        create_fusion(database, experiment_id, trainers.artifacts)

    gate = refused.value.extra["gate"]
    assert isinstance(gate, dict)
    assert gate["verdict"] == "pending"
    assert json.dumps(gate)
    assert steps_of(database, experiment_id) == ["preflight"]


def test_fusion_after_a_failed_gate_is_refused_with_the_report(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    trainers.f1s = {**BASES_NEED_FUSION, "gnn": [0.5, 0.6]}
    experiment_id = submit(database, dataset_id, spec)
    trainers.work()

    with pytest.raises(GateNotPassed) as refused:
        create_fusion(database, experiment_id, trainers.artifacts)

    gate = refused.value.extra["gate"]
    assert isinstance(gate, dict)
    assert gate["verdict"] == "fail"


def test_fusion_on_a_seed_that_no_base_has_is_refused_at_its_pointer(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    experiment_id = submit(database, dataset_id, ExperimentSpec(seeds=[0], autopilot=False))
    for cell in (Cell.TRANSFORMER, Cell.GNN):
        with database.begin() as session:
            create_experiment_job(
                session, experiment_id=experiment_id, cell=cell, config={}, artifacts=trainers.artifacts
            )
    trainers.work()

    with pytest.raises(InvalidSpec, match="7") as refused:
        create_fusion(database, experiment_id, trainers.artifacts, seeds=[0, 7])

    assert [mistake.pointer for mistake in refused.value.mistakes] == ["/seeds"]


def test_a_step_that_has_a_job_cannot_have_another(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)
    trainers.work(limit=1)

    with pytest.raises(Conflict, match="job_") as refused, database.begin() as session:
        create_experiment_job(
            session, experiment_id=experiment_id, cell=Cell.GNN, config={}, artifacts=trainers.artifacts
        )

    assert "step 52 already" in refused.value.detail


def test_evidence_without_a_finished_base_is_refused(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)

    with pytest.raises(Conflict, match="both 51 and 52"), database.begin() as session:
        create_experiment_job(
            session, experiment_id=experiment_id, cell=Cell.AGGREGATION, config={}, artifacts=trainers.artifacts
        )


def test_an_unknown_data_set_is_refused_at_its_pointer(database: Database) -> None:
    with pytest.raises(InvalidSpec) as refused:
        submit(database, "ds_00000000000000000000000000", ExperimentSpec())

    assert [mistake.pointer for mistake in refused.value.mistakes] == ["/dataset"]


def test_a_cancelled_experiment_ends_at_once_and_starts_nothing_more(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    experiment_id = submit(database, dataset_id, spec)
    trainers.work(limit=1)

    with database.begin() as session:
        cancel_experiment(session, experiment_id)

    assert trainers.work() == []
    assert state_of(database, experiment_id) == ExperimentState.CANCELLED
    with pytest.raises(Conflict, match="cancelled"), database.begin() as session:
        cancel_experiment(session, experiment_id)


def test_the_list_counts_runs_and_names_the_last_outcome(
    database: Database, dataset_id: str, trainers: FakeTrainers, spec: ExperimentSpec
) -> None:
    trainers.f1s = BASES_NEED_FUSION
    done = submit(database, dataset_id, spec)
    trainers.work()
    waiting = submit(database, dataset_id, spec)

    with database.read() as session:
        newest, oldest = list_experiments(session)
        (page,) = list_experiments(session, PageOf(limit=1, after=waiting))

    assert (newest.experiment.id, newest.gate_verdict, newest.outcome) == (waiting, "pending", None)
    assert (newest.runs_done, newest.runs_total) == (0, 1)
    assert (oldest.experiment.id, oldest.gate_verdict, oldest.outcome) == (done, "pass", "fusion")
    assert (oldest.runs_done, oldest.runs_total) == (9, 9)
    assert page.experiment.id == done


def test_what_nobody_advanced_is_found_again(database: Database, trainers: FakeTrainers) -> None:
    # given runs that ended without a word to the pipeline
    with database.begin() as session:
        dataset = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
        experiment = create_experiment(session, name="early", dataset_id=dataset.id, spec=ExperimentSpec(seeds=[0]))
    silent = pytest.MonkeyPatch()
    silent.setattr("service.store.pipeline.after_run", lambda *_args, **_named: None)
    trainers.work()
    silent.undo()
    assert state_of(database, experiment.id) == ExperimentState.WAITING

    # when they are looked for and advanced
    with database.begin() as session:
        for run_id in unfinished_datasets(session):
            after_run(session, run_id=run_id, artifacts=trainers.artifacts)

    # then the pipeline goes on, and there is nothing more to find
    assert state_of(database, experiment.id) == ExperimentState.PREFLIGHT
    with database.read() as session:
        assert list(unfinished_datasets(session)) == []
        assert list(idle_experiments(session)) == []
