"""An experiment's steps: its jobs, the facts about each, and the start of the next one."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.cells import CELLS, Cell
from cellgate.contract.configs import AggregationConfig
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import DatasetState, RunState, job_state
from service.domain.pipeline import Facts, Step, StepFacts, shared_seeds
from service.domain.principals import Owner
from service.store.jobs import NewJob, create_job, jobs_of_experiment, runs_of_jobs
from service.store.tables import DatasetRow, DecisionRow, ExperimentRow, JobRow, ListedRun, RunRow

CELL_OF: Mapping[Step, Cell] = {Step(step): entry.cell for entry in CELLS for step in entry.steps}
# What runs once per experiment has no seed of its own.
ONE_RUN = (0,)


def facts_of(session: Session, experiment: ExperimentRow) -> Facts:
    """Return the facts of an experiment that the pipeline decides on."""
    dataset = session.scalars(select(DatasetRow).where(DatasetRow.id == experiment.dataset_id)).one()
    jobs = [job for job in jobs_of_experiment(session, experiment.id) if job.step is not None]
    runs = runs_of_jobs(session, [job.id for job in jobs])
    taken = session.scalars(select(DecisionRow).where(DecisionRow.experiment_id == experiment.id))
    outcomes: dict[Any, Any] = {row.stage: row.body["outcome"] for row in taken}
    return Facts(
        autopilot=experiment.autopilot,
        dataset=DatasetState(dataset.state),
        dataset_detail=dataset.failure_detail or "",
        steps={Step(str(job.step)): _step_facts(runs[job.id]) for job in jobs},
        gate_known=experiment.gate is not None,
        outcomes=outcomes,
    )


def start_step(session: Session, experiment: ExperimentRow, step: Step) -> NewJob:
    """Create the step's job from the experiment's spec.

    The policy's text weight is the ensemble's everywhere: what 54 weighs, what 53 starts as and what is shipped are
    the same ensemble.

    Args:
        session: An open transaction; the job and its queued runs are inserted into it.
        experiment: Gives data set, configs, seeds, limits and owner.
        step: The step; its inputs must have succeeded.
    """
    spec = ExperimentSpec.model_validate(experiment.spec)
    config, seeds = _config(spec, step), _seeds(session, experiment, spec, step)
    return create_job(
        session,
        cell=CELL_OF[step],
        dataset_id=experiment.dataset_id,
        experiment_id=experiment.id,
        step=step.value,
        config=config,
        seeds=seeds,
        limits=spec,
        owner=Owner(id=experiment.owner_id, name=experiment.owner),
        fresh=spec.fresh,
        paused=experiment.paused,
    )


def finished_runs(session: Session, experiment_id: str, step: Step) -> dict[int, RunRow]:
    """Return the step's succeeded runs by seed.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        step: The step whose runs are read, of all its jobs.
    """
    chosen = (
        select(RunRow)
        .join(JobRow, RunRow.job_id == JobRow.id)
        .where(JobRow.experiment_id == experiment_id, JobRow.step == step.value, RunRow.state == RunState.SUCCEEDED)
    )
    return {run.seed: run for run in session.scalars(chosen.order_by(RunRow.seed))}


def _step_facts(runs: Sequence[ListedRun]) -> StepFacts:
    failures = [
        f"seed {run.seed}: {run.failure_reason}: {run.failure_detail}" for run in runs if run.failure_reason is not None
    ]
    return StepFacts(
        state=job_state(RunState(run.state) for run in runs),
        finished_seeds=frozenset(run.seed for run in runs if run.state == RunState.SUCCEEDED),
        detail=" | ".join(failures),
    )


def _config(spec: ExperimentSpec, step: Step) -> dict[str, Any]:
    match step:
        case Step.PREFLIGHT:
            return _preflight(spec)
        case Step.TRANSFORMER:
            return spec.transformer.model_dump(mode="json")
        case Step.GNN:
            return spec.gnn.model_dump(mode="json")
        case Step.FUSION:
            return _fusion(spec)
        case Step.EVIDENCE_BASES | Step.EVIDENCE_FINAL:
            return _aggregation(spec).model_dump(mode="json")


def _weight(spec: ExperimentSpec) -> dict[str, float]:
    """Return the weight of the text model, which the policy fixes for every step."""
    return {"text_weight": spec.policy.text_weight}


def _aggregation(spec: ExperimentSpec) -> AggregationConfig:
    policy = spec.policy
    given = {
        "deployment_prevalence": policy.deployment_prevalence,
        "alerts_per_1000": policy.alert_budget_per_1000,
        "selective_risk": policy.selective_risk,
    }
    stated = {name: value for name, value in given.items() if value is not None}
    return spec.aggregation.model_copy(update={**_weight(spec), **stated})


def _fusion(spec: ExperimentSpec) -> dict[str, Any]:
    model = spec.fusion.model.model_copy(update=_weight(spec))
    return spec.fusion.model_copy(update={"model": model}).model_dump(mode="json")


def _preflight(spec: ExperimentSpec) -> dict[str, Any]:
    """Return every config that may come to be trained."""
    tried = {"transformer": spec.transformer.model_dump(mode="json"), "gnn": spec.gnn.model_dump(mode="json")}
    return tried if spec.policy.fusion == "never" else {**tried, "fusion": _fusion(spec)}


def _seeds(session: Session, experiment: ExperimentRow, spec: ExperimentSpec, step: Step) -> Sequence[int]:
    match step:
        case Step.PREFLIGHT:
            return spec.seeds[:1]
        case Step.TRANSFORMER | Step.GNN:
            return spec.seeds
        case Step.FUSION:
            return sorted(shared_seeds(facts_of(session, experiment), Step.TRANSFORMER, Step.GNN))
        case Step.EVIDENCE_BASES | Step.EVIDENCE_FINAL:
            return ONE_RUN
