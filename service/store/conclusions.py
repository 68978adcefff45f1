"""What came of experiments: stored when they end, computed for those that a process of an older release ended."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.conclusion import Conclusion, SeedCounts
from cellgate.contract.states import ExperimentState, RunState
from service.domain.conclusion import Decided, EndFacts, conclude
from service.domain.pipeline import BASES, Step
from service.store.tables import DecisionRow, ExperimentRow, JobRow, RunRow

TERMINAL = [state.value for state in ExperimentState if state.terminal]
# Columns of an experiment that goes on.
NO_CONCLUSION: dict[str, Any] = {"outcome": null(), "conclusion": null(), "concluded_at": null(), "took_s": null()}
TRAINED = [step.value for step in (*BASES, Step.FUSION)]


def store_conclusion(session: Session, experiment_id: str) -> Conclusion | None:
    """Store what came of an experiment and return it; do nothing while it goes on.

    Args:
        session: A transaction that has set its state, if it changes that.
        experiment_id: The experiment.
    """
    # Locked, or what another transaction counts and stores meanwhile would be overwritten.
    chosen = select(ExperimentRow).where(ExperimentRow.id == experiment_id).with_for_update(key_share=True)
    conclusion = _computed(session, [session.scalars(chosen).one()]).get(experiment_id)
    if conclusion is not None:
        session.execute(
            update(ExperimentRow)
            .where(ExperimentRow.id == experiment_id)
            .values(
                outcome=conclusion.outcome.value,
                conclusion=conclusion.model_dump(mode="json"),
                concluded_at=ExperimentRow.finished_at,
                took_s=_took_s(),
            )
            .execution_options(synchronize_session=False)
        )
    return conclusion


def _took_s() -> ColumnElement[float]:
    by_clock = ExperimentRow.finished_at - ExperimentRow.created_at
    return case((by_clock < 0.0, 0.0), else_=by_clock)


def missing_conclusions() -> Select[str]:
    """Return a selection of the experiments that have ended and have no stored conclusion."""
    return select(ExperimentRow.id).where(ExperimentRow.outcome.is_(None), ExperimentRow.state.in_(TERMINAL))


def store_missing_conclusions(session: Session, *, limit: int = 100) -> list[str]:
    """Store the conclusions of experiments that a process of an older release has ended, and return their ids."""
    missing = session.scalars(
        missing_conclusions().order_by(ExperimentRow.id).limit(limit).with_for_update(key_share=True, skip_locked=True)
    ).all()
    for experiment_id in missing:
        store_conclusion(session, experiment_id)
    return list(missing)


def conclusions_of(session: Session, experiments: Sequence[ExperimentRow]) -> dict[str, Conclusion]:
    """Return what came of those of the experiments that have ended, by id; what is not stored yet is computed."""
    current = [row for row in experiments if row.conclusion is not None and row.concluded_at == row.finished_at]
    found = {row.id: Conclusion.model_validate(row.conclusion) for row in current if row.state in TERMINAL}
    missing = [row for row in experiments if row.state in TERMINAL and row.id not in found]
    return found | _computed(session, missing)


def load_conclusion(session: Session, experiment: ExperimentRow) -> Conclusion | None:
    """Return what came of an experiment of which only the columns of `load_experiment_status` were read."""
    if experiment.state not in TERMINAL:
        return None
    if experiment.conclusion is not None and experiment.concluded_at == experiment.finished_at:
        return Conclusion.model_validate(experiment.conclusion)
    row = session.scalars(select(ExperimentRow).where(ExperimentRow.id == experiment.id)).one()
    return _computed(session, [row])[row.id]


def decided_outcomes(session: Session, experiment_ids: Collection[str]) -> dict[str, str]:
    """Return what the last decision of each experiment says, or the person who overruled it, by the experiment's id."""
    decisions, overrulings = _decided(session, experiment_ids)
    return {found: (overrulings.get(found) or decided).outcome for found, decided in decisions.items()}


def _computed(session: Session, experiments: Sequence[ExperimentRow]) -> dict[str, Conclusion]:
    ids = [row.id for row in experiments if row.state in TERMINAL]
    if not ids:
        return {}
    decisions, overrulings = _decided(session, ids)
    seeds = _seeds(session, ids)
    found = {
        row.id: conclude(
            EndFacts(
                state=ExperimentState(row.state),
                detail=row.failure_detail or "",
                decision=decisions.get(row.id),
                overruling=overrulings.get(row.id),
                bases=_counts(seeds, row.id, BASES),
                fusion=_counts(seeds, row.id, [Step.FUSION]),
                waived=_waived(row.gate),
            )
        )
        for row in experiments
    }
    return {experiment_id: conclusion for experiment_id, conclusion in found.items() if conclusion is not None}


def _decided(session: Session, experiment_ids: Collection[str]) -> tuple[dict[str, Decided], dict[str, Decided]]:
    """Return each experiment's last decision and the last overruling of that decision, without any evidence."""
    parts = [DecisionRow.body[name].as_string() for name in ("outcome", "option", "confidence")]
    chosen = select(DecisionRow.experiment_id, DecisionRow.overruling, *parts)
    rows = session.execute(chosen.where(DecisionRow.experiment_id.in_(experiment_ids)).order_by(DecisionRow.stage))
    decisions: dict[str, Decided] = {}
    overrulings: dict[str, Decided] = {}
    # "bases" sorts before "final": the last one stays.
    for found, word, outcome, option, confidence in rows:
        decisions[found] = Decided(outcome=outcome, option=option, confidence=confidence)
        overrulings.pop(found, None)
        if word is not None:
            overrulings[found] = Decided(outcome=word["outcome"], option=word["option"], by=word["by"])
    return decisions, overrulings


def _seeds(session: Session, experiment_ids: Collection[str]) -> dict[tuple[str, str, str], int]:
    """Return how many current runs each step has in each state, by experiment, step and state."""
    chosen = (
        select(RunRow.experiment_id, JobRow.step, RunRow.state, func.count())
        .join(JobRow, RunRow.job_id == JobRow.id)
        .where(RunRow.experiment_id.in_(experiment_ids), RunRow.superseded_by.is_(None), JobRow.step.in_(TRAINED))
        .group_by(RunRow.experiment_id, JobRow.step, RunRow.state)
    )
    return {(str(found), str(step), state): count for found, step, state, count in session.execute(chosen)}


def _counts(seeds: dict[tuple[str, str, str], int], experiment_id: str, steps: Sequence[Step]) -> SeedCounts:
    def count(states: Collection[RunState]) -> int:
        return sum(seeds.get((experiment_id, step.value, state.value), 0) for step in steps for state in states)

    return SeedCounts(
        total=count(list(RunState)), failed=count([RunState.FAILED]), cancelled=count([RunState.CANCELLED])
    )


def _waived(gate: dict[str, Any] | None) -> set[str]:
    return {check["name"] for check in (gate or {}).get("checks", []) if check["verdict"] == "waived"}
