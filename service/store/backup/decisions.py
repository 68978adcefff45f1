"""Every decision verified: computed again from what is stored, and compared byte for byte."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.gate import GateReport
from cellgate.contract.results import RunResult
from cellgate.contract.states import RunState
from service.domain.decision.verify import DecisionSources, decision_differences
from service.store.gate_decision import answered_decisions
from service.store.tables import DecisionRow, ExperimentRow, RunRow

Verified = dict[str, list[str]]


def verify_decisions(session: Session) -> Verified:
    """Return the differences of every decision to its recomputation, by `experiment/stage`; empty lists as a rule."""
    found: Verified = {}
    chosen = select(ExperimentRow.id).join(DecisionRow, DecisionRow.experiment_id == ExperimentRow.id).distinct()
    for experiment_id in session.scalars(chosen.order_by(ExperimentRow.id)).all():
        found |= _of_experiment(session, experiment_id)
    return found


def _of_experiment(session: Session, experiment_id: str) -> Verified:
    experiment = session.scalars(select(ExperimentRow).where(ExperimentRow.id == experiment_id)).one()
    if experiment.gate is None:
        return {}
    runs = select(RunRow.result).where(
        RunRow.experiment_id == experiment_id,
        RunRow.superseded_by.is_(None),
        RunRow.state == RunState.SUCCEEDED.value,
        RunRow.result.is_not(None),
    )
    sources = DecisionSources(
        gate=GateReport.model_validate(experiment.gate),
        policy=ExperimentSpec.model_validate(experiment.spec).policy,
        results=[RunResult.model_validate(result) for result in session.scalars(runs.order_by(RunRow.id))],
    )
    # With what each knew when it was taken: a waiver changes the gate afterwards.
    taken = answered_decisions(session, experiment_id)
    return {f"{experiment_id}/{one.stage}": decision_differences(one, sources) for one in taken}
