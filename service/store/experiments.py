"""Experiments: create and cancel them, and start one of their cells manually."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cellgate.contract.cells import ENTRY_OF, SUBMITTED, Cell
from cellgate.contract.decision import Decision
from cellgate.contract.experiment import ExperimentSpec, RunLimits
from cellgate.contract.states import DatasetState, ExperimentState, RunState
from service.domain.errors import Conflict, GateNotPassed, InvalidSpec, Mistake
from service.domain.pipeline import BASES, Step, shared_seeds
from service.domain.principals import NOBODY, Owner
from service.store.extensions import insert_experiment
from service.store.gate import gate_report
from service.store.jobs import DEFAULT_LIMITS, NewJob, create_job, no_dataset, refuse_evaluation_only
from service.store.lookup import get_row
from service.store.pipeline import set_state, start_first_steps
from service.store.run_actions import cancel_runs
from service.store.steps import ONE_RUN, facts_of
from service.store.tables import DatasetRow, DecisionRow, ExperimentRow, JobRow, LabelRow, RunRow

NO_LABELS: Mapping[str, str] = {}
MANUAL_STEPS = ", ".join(entry.cell.value for entry in SUBMITTED if entry.steps)


def create_experiment(
    session: Session,
    *,
    name: str,
    dataset_id: str,
    spec: ExperimentSpec,
    owner: Owner = NOBODY,
    labels: Mapping[str, str] = NO_LABELS,
) -> ExperimentRow:
    """Create an experiment; with autopilot its pre-flight is queued at once, or as soon as its data set is ready.

    Args:
        session: An open transaction.
        name: Name for people.
        dataset_id: The data set to train on.
        spec: Configs, seeds, policy and limits.
        owner: Whom it belongs to; owns every run.
        labels: Values to find it by, by key.

    Raises:
        InvalidSpec: There is no such data set, or it is for evaluation only.
        Conflict: The data set could not be prepared.
    """
    # Locked, so that its preparation cannot end between this read and the insert below.
    dataset = session.scalar(select(DatasetRow).where(DatasetRow.id == dataset_id).with_for_update(read=True))
    if dataset is None:
        raise no_dataset(dataset_id)
    refuse_evaluation_only(dataset)
    if dataset.state == DatasetState.FAILED:
        raise Conflict(f"data set {dataset_id} could not be prepared: {dataset.failure_detail}")
    experiment = insert_experiment(session, name=name, dataset_id=dataset_id, spec=spec, owner=owner, labels=labels)
    start_first_steps(session, experiment)
    return get_experiment(session, experiment.id)


def labels_of(session: Session, experiment_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the labels of each experiment that has any, by its id; sorted by key."""
    chosen = select(LabelRow).where(LabelRow.experiment_id.in_(experiment_ids)).order_by(LabelRow.key)
    labels: dict[str, dict[str, str]] = {}
    for row in session.scalars(chosen):
        labels.setdefault(row.experiment_id, {})[row.key] = row.value
    return labels


def get_experiment(session: Session, experiment_id: str) -> ExperimentRow:
    """Return an experiment.

    Raises:
        NotFound: There is no such experiment.
    """
    return get_row(session, ExperimentRow, experiment_id)


def decisions_of(session: Session, experiment_id: str) -> list[Decision]:
    """Return the decisions taken so far, bases before final."""
    chosen = select(DecisionRow).where(DecisionRow.experiment_id == experiment_id)
    return [Decision.model_validate(row.body) for row in session.scalars(chosen.order_by(DecisionRow.stage))]


def cancel_experiment(session: Session, experiment_id: str) -> None:
    """Cancel an experiment: waiting runs are cancelled at once, running ones get the request to stop.

    None of its steps starts from then on. Runs of a step that started a moment before are left to
    `cancel_leftovers`: locking them here, with the experiment locked, would break the lock order.

    Raises:
        NotFound: There is no such experiment.
        Conflict: It has ended.
    """
    if ExperimentState(get_experiment(session, experiment_id).state).terminal:
        raise _ended(get_experiment(session, experiment_id))
    cancel_runs(session, select(RunRow).where(RunRow.experiment_id == experiment_id))
    experiment = get_row(session, ExperimentRow, experiment_id, lock=True)
    if ExperimentState(experiment.state).terminal:
        raise _ended(experiment)
    set_state(session, experiment, ExperimentState.CANCELLED, "cancelled on request")


def cancel_leftovers(session: Session) -> list[str]:
    """Cancel the open runs of cancelled experiments and return their ids.

    This ends a step that started while its experiment was being cancelled.
    """
    ids = session.scalars(leftover_runs()).all()
    cancel_runs(session, select(RunRow).where(RunRow.id.in_(ids)))
    return list(ids)


def leftover_runs() -> Select[str]:
    """Return a selection of the open runs of cancelled experiments."""
    # Named, not excluded: the index on states finds those few among all that have ended.
    left = [state.value for state in RunState if not state.terminal and state is not RunState.CANCELLING]
    return (
        select(RunRow.id)
        .join(ExperimentRow, RunRow.experiment_id == ExperimentRow.id)
        .where(ExperimentRow.state == ExperimentState.CANCELLED, RunRow.state.in_(left))
    )


def create_experiment_job(
    session: Session,
    *,
    experiment_id: str,
    cell: Cell,
    config: dict[str, Any],
    artifacts: Path,
    seeds: Sequence[int] | None = None,
    limits: RunLimits = DEFAULT_LIMITS,
    owner: Owner = NOBODY,
    fresh: bool = False,
) -> NewJob:
    """Create the job of a numbered cell as a step of an experiment, at a person's request.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        cell: 51, 52, 53 or 54.
        config: The cell's config model as JSON values.
        artifacts: The artifact root.
        seeds: Default: the experiment's; for 53 those that both bases have finished.
        limits: Priority, queue and time limits of its runs.
        owner: Whom it belongs to.
        fresh: Train every run, also where an equal one has finished.

    Raises:
        NotFound: There is no such experiment.
        GateNotPassed: Cell 53 before the gate has passed; carries the gate's report.
        InvalidSpec: Cell 53 on seeds that the bases have not finished.
        Conflict: The experiment has ended, has this step already, or 54 has nothing to weigh.
    """
    experiment = get_row(session, ExperimentRow, experiment_id, lock=True)
    if cell is Cell.FUSION:
        _check_gate(session, experiment_id, artifacts)
    if ExperimentState(experiment.state).terminal:
        raise _ended(experiment)
    step = _step_of(session, experiment, cell)
    job = create_job(
        session,
        cell=cell,
        dataset_id=experiment.dataset_id,
        experiment_id=experiment_id,
        step=step.value,
        config=config,
        seeds=_seeds_for(session, experiment, step, seeds),
        limits=limits,
        owner=owner,
        fresh=fresh or ExperimentSpec.model_validate(experiment.spec).fresh,
        paused=experiment.paused,
    )
    start_first_steps(session, experiment)
    return job


def _check_gate(session: Session, experiment_id: str, artifacts: Path) -> None:
    report = gate_report(session, experiment_id, artifacts)
    if report.verdict != "pass":
        raise GateNotPassed(
            f"fusion needs a passed gate, and that of {experiment_id} is {report.verdict}: {report.summary}",
            extra={"gate": report.model_dump(mode="json")},
        )


def _step_of(session: Session, experiment: ExperimentRow, cell: Cell) -> Step:
    """Return the cell's step, after checking that it can start now."""
    facts = facts_of(session, experiment)
    steps = ENTRY_OF[cell].steps if ENTRY_OF[cell].submission is not None else ()
    if not steps:
        raise Conflict(f"cell {cell} is not a step that a request can start; expected one of {MANUAL_STEPS}")
    step = Step(steps[0])
    if cell is Cell.AGGREGATION and shared_seeds(facts, *BASES, Step.FUSION):
        step = Step.EVIDENCE_FINAL
    if step in facts.steps:
        chosen = select(JobRow.id).where(JobRow.experiment_id == experiment.id, JobRow.step == step.value)
        raise Conflict(f"experiment {experiment.id} has step {step} already: job {session.scalar(chosen)}")
    if cell in (Cell.FUSION, Cell.AGGREGATION) and not shared_seeds(facts, *BASES):
        raise Conflict(f"cell {cell} needs a seed that both 51 and 52 have finished, and there is none yet")
    return step


def _seeds_for(
    session: Session, experiment: ExperimentRow, step: Step, requested: Sequence[int] | None
) -> Sequence[int]:
    if step in (Step.EVIDENCE_BASES, Step.EVIDENCE_FINAL):
        return ONE_RUN
    if step is not Step.FUSION:
        return requested or ExperimentSpec.model_validate(experiment.spec).seeds
    finished = shared_seeds(facts_of(session, experiment), *BASES)
    missing = [seed for seed in requested or [] if seed not in finished]
    if missing:
        detail = f"both bases have finished seeds {sorted(finished)}, but not {missing}: request those only"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/seeds", detail=detail)])
    return requested or sorted(finished)


def _ended(experiment: ExperimentRow) -> Conflict:
    return Conflict(f"experiment {experiment.id} has already ended ({experiment.state}); submit a new one")
