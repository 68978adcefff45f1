"""Advance the data set and the experiment that wait for a run. Idempotent: a second call starts nothing twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from cellgate.contract.api.webhooks import WebhookEvent
from cellgate.contract.cells import Cell
from cellgate.contract.conclusion import lifecycle_of
from cellgate.contract.decision import DecisionInputs
from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.gate import GateReport
from cellgate.contract.states import DatasetState, ExperimentState, RunState
from service.domain.decision.rules import decide
from service.domain.gate.report import with_intervals
from service.domain.pipeline import Decide, End, EvaluateGate, Start, Wait, next_action
from service.store.best_f1 import store_best_f1
from service.store.conclusions import NO_CONCLUSION, store_conclusion
from service.store.database import Reader, now_s
from service.store.extensions import extend_if_due
from service.store.gate import build_gate_report
from service.store.runs import get_run
from service.store.steps import facts_of, finished_runs, start_step
from service.store.tables import DatasetRow, DecisionRow, EventRow, ExperimentRow, JobRow, RunRow
from service.store.transitions import TRANSITION
from service.store.webhooks import enqueue_event

OPEN_STATES = [state.value for state in ExperimentState if not state.terminal]
ENDED_RUN = [state.value for state in RunState if state.terminal]


def after_run(session: Session, *, run_id: str, artifacts: Path) -> None:
    """Advance the data set or the experiment that the run belongs to; call it in the transaction that ends the run.

    Args:
        session: That transaction.
        run_id: The run.
        artifacts: The artifact root.

    Raises:
        NotFound: There is no such run.
    """
    run = get_run(session, run_id)
    if not RunState(run.state).terminal:
        return
    if run.cell == Cell.PREPARE.value:
        _finish_dataset(session, run, artifacts)
    elif run.experiment_id is None:
        return
    elif _lock(session, run.experiment_id) is not None:
        advance(session, experiment_id=run.experiment_id, artifacts=artifacts)
    else:
        # A run that outlived its experiment, such as a cancelled one, still counts in the conclusion.
        store_conclusion(session, run.experiment_id)
        store_best_f1(session, run.experiment_id)


def advance(session: Session, *, experiment_id: str, artifacts: Path) -> None:
    """Carry out every action that the pipeline's rule gives now; do nothing for an experiment that has ended.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        artifacts: The artifact root.
    """
    while (experiment := _lock(session, experiment_id)) is not None:
        match next_action(facts_of(session, experiment)):
            case Start(step=step):
                start_step(session, experiment, step)
            case EvaluateGate():
                report = build_gate_report(session, experiment, artifacts)
                _set(session, experiment, gate=report.model_dump(mode="json"))
                enqueue_experiment_event(
                    session, experiment, WebhookEvent(f"gate.{report.verdict}"), summary=report.summary
                )
            case Decide() as action:
                _decide(session, experiment, action)
            case Wait(state=state):
                set_state(session, experiment, state)
                break
            case End(state=state, detail=detail):
                set_state(session, experiment, state, detail)
                break
    store_best_f1(session, experiment_id)


def start_first_steps(session: Session, experiment: ExperimentRow) -> None:
    """Start the steps that a new experiment begins with."""
    while isinstance(action := next_action(facts_of(session, experiment)), Start):
        start_step(session, experiment, action.step)
    if isinstance(action, Wait):
        set_state(session, experiment, action.state)


def set_state(session: Session, experiment: ExperimentRow, to: ExperimentState, detail: str = "") -> None:
    """Set the experiment's state and add an event; do nothing if it has that state already.

    Args:
        session: A transaction that holds the experiment's lock.
        experiment: Its row.
        to: The new state.
        detail: Why; kept in the event.
    """
    if experiment.state == to:
        return
    values: dict[str, Any] = {
        "state": to.value,
        "finished_at": now_s() if to.terminal else None,
        "failure_detail": detail if to is ExperimentState.FAILED else None,
    }
    body = {"from": experiment.state, "to": to.value, "reason": detail}
    session.execute(insert(EventRow).values(experiment_id=experiment.id, kind=TRANSITION, body=body, at=now_s()))
    _set(session, experiment, **values, **({"paused_at": None} if to.terminal else NO_CONCLUSION))
    if to.terminal:
        _enqueue_end(session, experiment, to, detail)


def _enqueue_end(session: Session, experiment: ExperimentRow, to: ExperimentState, detail: str) -> None:
    conclusion = store_conclusion(session, experiment.id)
    end = {"lifecycle": lifecycle_of(to).value, "detail": detail}
    if conclusion is not None:
        end |= {"outcome": conclusion.outcome.value, "conclusion": conclusion.text}
    enqueue_experiment_event(session, experiment, WebhookEvent(f"experiment.{to.value}"), **end)
    if to is ExperimentState.SUCCEEDED and (next_one := extend_if_due(session, experiment, conclusion)) is not None:
        start_first_steps(session, next_one)


def enqueue_experiment_event(session: Session, experiment: ExperimentRow, event: WebhookEvent, **data: Any) -> None:
    """Insert deliveries of an experiment's event for the webhooks that subscribe to it.

    Args:
        session: The transaction that causes the event.
        experiment: Its row.
        event: What happened.
        data: Further JSON values.
    """
    enqueue_event(session, event, {"experiment": experiment.id, "name": experiment.name, **data})


def idle_experiments(reader: Reader) -> Sequence[str]:
    """Return experiments that have not ended but have no run that would advance them: call `advance` for each."""
    live = select(RunRow.id).where(RunRow.experiment_id == ExperimentRow.id, RunRow.state.not_in(ENDED_RUN))
    chosen = select(ExperimentRow.id).where(ExperimentRow.state.in_(OPEN_STATES), ~live.exists())
    return reader.scalars(chosen.order_by(ExperimentRow.id)).all()


def unfinished_datasets(reader: Reader) -> Sequence[str]:
    """Return ended runs whose data set is still in state preparing: call `after_run` for each."""
    datasets = reader.scalars(select(DatasetRow.id).where(DatasetRow.state == DatasetState.PREPARING)).all()
    if not datasets:
        return []
    # From the few data sets: a join would rather begin with all jobs, or with all runs that have ended.
    jobs = select(JobRow.id).where(JobRow.dataset_id.in_(datasets), JobRow.cell == Cell.PREPARE.value)
    runs = select(RunRow.id, RunRow.state).where(RunRow.job_id.in_(reader.scalars(jobs).all()))
    return [run_id for run_id, state in reader.execute(runs.order_by(RunRow.id)) if state in ENDED_RUN]


def _decide(session: Session, experiment: ExperimentRow, action: Decide) -> None:
    evidence = None
    gate = GateReport.model_validate(experiment.gate)
    if action.evidence is not None:
        (run,) = finished_runs(session, experiment.id, action.evidence).values()
        evidence = Evidence.model_validate((run.result or {}).get("evidence"))
        gate = with_intervals(gate, evidence)
    policy = ExperimentSpec.model_validate(experiment.spec).policy
    taken = decide(evidence, gate, policy, stage=action.stage)
    row = {
        "experiment_id": experiment.id,
        "stage": action.stage,
        "body": taken.model_dump(mode="json"),
        "known": DecisionInputs(gate=gate, policy=policy).model_dump(mode="json"),
        "taken_at": now_s(),
    }
    session.execute(insert(DecisionRow).values(row))
    _set(session, experiment, gate=gate.model_dump(mode="json"))
    summary = {"stage": taken.stage, "outcome": taken.outcome, "option": taken.option, "confidence": taken.confidence}
    enqueue_experiment_event(session, experiment, WebhookEvent.DECISION_TAKEN, **summary)


def _finish_dataset(session: Session, run: RunRow, artifacts: Path) -> None:
    dataset_id = session.scalars(select(JobRow.dataset_id).where(JobRow.id == run.job_id)).one()
    prepared = _prepared(run)
    changed = session.scalar(
        update(DatasetRow)
        .where(DatasetRow.id == dataset_id, DatasetRow.state == DatasetState.PREPARING)
        .values(**prepared, version=DatasetRow.version + 1)
        .returning(DatasetRow.id)
        .execution_options(synchronize_session=False)
    )
    if changed is not None:
        enqueue_event(session, WebhookEvent(f"dataset.{prepared['state']}"), {"dataset": dataset_id, "run": run.id})
    waiting = select(ExperimentRow.id).where(
        ExperimentRow.dataset_id == dataset_id, ExperimentRow.state == ExperimentState.WAITING
    )
    for experiment_id in session.scalars(waiting.order_by(ExperimentRow.id)).all():
        advance(session, experiment_id=experiment_id, artifacts=artifacts)


def _prepared(run: RunRow) -> dict[str, Any]:
    summary = (run.result or {}).get("dataset")
    if run.state == RunState.SUCCEEDED and summary is not None:
        path = f"{run.path}/{summary['path']}"
        return {"state": DatasetState.READY, "content_hash": summary["id"], "path": path, "summary": summary}
    detail = run.failure_detail or f"its run {run.id} has {run.state} without a data set"
    return {"state": DatasetState.FAILED, "failure_detail": detail}


def _lock(session: Session, experiment_id: str) -> ExperimentRow | None:
    chosen = select(ExperimentRow).where(ExperimentRow.id == experiment_id, ExperimentRow.state.in_(OPEN_STATES))
    return session.scalar(chosen.with_for_update(key_share=True))


def _set(session: Session, experiment: ExperimentRow, **values: Any) -> None:
    session.execute(
        update(ExperimentRow)
        .where(ExperimentRow.id == experiment.id)
        .values(**values, version=ExperimentRow.version + 1)
        .execution_options(synchronize_session=False)
    )
