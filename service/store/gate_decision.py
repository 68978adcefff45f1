"""A person's waivers of gate checks and overrulings of decisions, stored beside the computed report and decision."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from cellgate.contract.api.webhooks import WebhookEvent
from cellgate.contract.decision import DecisionAnswer, DecisionInputs, DecisionOutcome, Overruling
from cellgate.contract.gate import GateReport, Waiver
from cellgate.contract.options import OPTIONS, Option
from cellgate.contract.states import ExperimentState
from service.domain.errors import Conflict
from service.domain.gate.report import waive
from service.domain.pipeline import Step, shared_seeds
from service.store.conclusions import store_conclusion
from service.store.database import now_s
from service.store.lookup import get_row
from service.store.pipeline import advance, enqueue_experiment_event, set_state
from service.store.steps import facts_of
from service.store.tables import DecisionRow, EventRow, ExperimentRow

WAIVED = "waived"
OVERRULED = "overruled"
SHIPPED: Mapping[DecisionOutcome, Option] = {
    option.outcome: option.name
    for option in OPTIONS
    if option.outcome not in (None, "single") and not option.on_request
}


def waive_check(
    session: Session, experiment_id: str, *, check: str, reason: str, by: str, artifacts: Path
) -> GateReport:
    """Waive a failed check of the gate and return the new report; a gate that passes now is decided on again.

    The decision that rested on the failed gate is withdrawn and kept in the event.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        check: Name of the check.
        reason: Why, in the person's words.
        by: Name of the person's token.
        artifacts: The artifact root.

    Raises:
        NotFound: There is no such experiment.
        Conflict: The gate is pending, the check has not failed, the experiment was cancelled or has failed, or no seed
            of 51 and 52 finished together, so that a passed gate would have nothing to decide on.
    """
    experiment = get_row(session, ExperimentRow, experiment_id, lock=True)
    if experiment.gate is None:
        raise Conflict(f"the gate of {experiment_id} is pending: there is nothing to waive yet")
    if experiment.state in (ExperimentState.CANCELLED, ExperimentState.FAILED):
        raise Conflict(f"experiment {experiment_id} is {experiment.state}; submit a new one")
    waiver = Waiver(reason=reason, by=by, at=_now(session))
    report = waive(GateReport.model_validate(experiment.gate), check, waiver)
    if report.verdict == "pass" and not shared_seeds(facts_of(session, experiment), Step.TRANSFORMER, Step.GNN):
        raise Conflict("no seed of 51 and 52 has finished together: with the gate passed there is nothing to decide on")
    taken = select(DecisionRow).where(DecisionRow.experiment_id == experiment_id).order_by(DecisionRow.stage)
    withdrawn = [row.body for row in session.scalars(taken)] if report.verdict == "pass" else []
    body = {"check": check, **waiver.model_dump(), "gate": experiment.gate, "decisions": withdrawn}
    _add_event(session, experiment_id, WAIVED, body)
    _set(session, experiment_id, gate=report.model_dump(mode="json"))
    if report.verdict == "pass":
        enqueue_experiment_event(session, experiment, WebhookEvent.GATE_PASSED, summary=report.summary)
        session.execute(delete(DecisionRow).where(DecisionRow.experiment_id == experiment_id))
        set_state(session, experiment, ExperimentState.DECIDING, f"the gate passes: {check} was waived")
        advance(session, experiment_id=experiment_id, artifacts=artifacts)
    else:
        # Of one that has ended: what is waived shows in it, though the gate still fails.
        store_conclusion(session, experiment_id)
    return report


def overrule(
    session: Session, experiment_id: str, *, outcome: DecisionOutcome, option: Option | None, reason: str, by: str
) -> Overruling:
    """Store a person's own decision beside the last computed one, which stays.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        outcome: The person's decision.
        option: The single model to ship, for outcome `single`.
        reason: Why, in the person's words.
        by: Name of the person's token.

    Raises:
        NotFound: There is no such experiment.
        Conflict: There is no decision yet, or what is to be shipped was not weighed in it.
    """
    get_row(session, ExperimentRow, experiment_id, lock=True)
    chosen = select(DecisionRow).where(DecisionRow.experiment_id == experiment_id).order_by(DecisionRow.stage.desc())
    last = session.scalars(chosen.limit(1)).one_or_none()
    if last is None:
        raise Conflict(f"no decision of {experiment_id} has been taken yet: there is nothing to overrule")
    shipped = SHIPPED.get(outcome, option)
    weighed = sorted(found["option"] for found in (last.body["evidence"] or {"options": []})["options"])
    if shipped is not None and shipped not in weighed:
        raise Conflict(f"{shipped} was not weighed in the last decision; these were: {', '.join(weighed) or 'none'}")
    kept = Overruling.model_validate(
        {"stage": last.stage, "outcome": outcome, "option": shipped, "reason": reason, "by": by, "at": _now(session)}
    )
    word = kept.model_dump(mode="json")
    _add_event(session, experiment_id, OVERRULED, word)
    of_it = (DecisionRow.experiment_id == experiment_id, DecisionRow.stage == last.stage)
    session.execute(
        update(DecisionRow).where(*of_it).values(overruling=word).execution_options(synchronize_session=False)
    )
    _set(session, experiment_id)
    store_conclusion(session, experiment_id)
    return kept


def overrulings_of(session: Session, experiment_id: str) -> list[Overruling]:
    """Return people's overrulings, oldest first, without those of decisions withdrawn since."""
    chosen = select(EventRow).where(EventRow.experiment_id == experiment_id, EventRow.kind == OVERRULED)
    found = [Overruling.model_validate(event.body) for event in session.scalars(chosen.order_by(EventRow.id))]
    decisions = session.scalars(select(DecisionRow).where(DecisionRow.experiment_id == experiment_id))
    taken = {row.stage: row.taken_at for row in decisions}
    return [one for one in found if one.stage in taken and one.at >= taken[one.stage]]


def answered_decisions(session: Session, experiment_id: str) -> list[DecisionAnswer]:
    """Return the decisions in the order in which they were taken, each with its overrulings and what it knew."""
    overrulings = overrulings_of(session, experiment_id)
    chosen = select(DecisionRow).where(DecisionRow.experiment_id == experiment_id)
    return [
        decision_answer(row, [one for one in overrulings if one.stage == row.stage])
        for row in session.scalars(chosen.order_by(DecisionRow.stage))
    ]


def decision_answer(row: DecisionRow, overrulings: Sequence[Overruling] = ()) -> DecisionAnswer:
    """Return a stored decision with what it knew and its overrulings."""
    known = None if row.known is None else DecisionInputs.model_validate(row.known)
    return DecisionAnswer(**row.body, overrulings=list(overrulings), taken_at=row.taken_at, known=known)


def _now(session: Session) -> float:
    return float(session.scalars(select(now_s())).one())


def _add_event(session: Session, experiment_id: str, kind: str, body: dict[str, Any]) -> None:
    session.execute(insert(EventRow).values(experiment_id=experiment_id, kind=kind, body=body, at=now_s()))


def _set(session: Session, experiment_id: str, **values: Any) -> None:
    session.execute(
        update(ExperimentRow)
        .where(ExperimentRow.id == experiment_id)
        .values(**values, version=ExperimentRow.version + 1)
        .execution_options(synchronize_session=False)
    )
