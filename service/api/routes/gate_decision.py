"""An experiment's gate and decisions, with people's waivers and overrulings."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Body
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.experiments import OverrulingCreate, WaiverCreate
from cellgate.contract.api.tokens import Scope
from cellgate.contract.decision import DecisionAnswer, Overruling
from cellgate.contract.gate import GateReport
from service.api.context import Ctx
from service.api.etags import tagged
from service.api.idempotency import Created, Posted
from service.api.parameters import ExperimentPath
from service.api.problems import DecisionPending
from service.api.responses import accepting
from service.api.scopes import ScopedRouter, Whose
from service.domain.errors import InvalidSpec, Mistake
from service.store.experiments import get_experiment
from service.store.gate import gate_report
from service.store.gate_decision import answered_decisions, overrule, waive_check

router = ScopedRouter(prefix="/v1/experiments", tags=["experiments"])
WAIVER = {"a check": {"value": {"check": "positives", "reason": "A larger gate split comes next month."}}}
OVERRULING = {
    "ship": {
        "value": {"outcome": "single", "option": "transformer", "reason": "Half the latency for 0.3 points of F1."}
    },
    "improve": {
        "value": {"outcome": "improve", "reason": "Two of the largest projects are missing from the gate split."}
    },
}


@router.get("/{experiment_id}/gate", Scope.READ, **tagged(HTTPStatus.NOT_FOUND))
def read_gate(experiment_id: ExperimentPath, context: Ctx) -> GateReport:
    """Return the validation gate's report: each check with its threshold, measured value, evidence and waiver."""
    with context.database.read() as session:
        return gate_report(session, experiment_id, context.settings.artifacts)


@router.post(
    "/{experiment_id}/gate/waivers",
    Scope.ADMIN,
    Whose.ANY,
    **accepting(GateReport, HTTPStatus.NOT_FOUND),
    name="waive_check",
)
def waive(
    experiment_id: ExperimentPath, wanted: Annotated[WaiverCreate, Body(openapi_examples=WAIVER)], post: Posted
) -> JSONResponse:
    """Waive a failed check. The reason stays on record; if the gate passes now, a new decision is taken."""

    def work(session: Session) -> Created:
        report = waive_check(
            session,
            experiment_id,
            check=wanted.check,
            reason=wanted.reason,
            by=post.principal.name,
            artifacts=post.context.settings.artifacts,
        )
        return Created(location=f"/v1/experiments/{experiment_id}/gate", answer=report)

    return post.accept(work, reason=wanted.reason, check=wanted.check)


@router.get("/{experiment_id}/decision", Scope.READ, **tagged(HTTPStatus.NOT_FOUND))
def read_decision(experiment_id: ExperimentPath, context: Ctx) -> DecisionAnswer:
    """Return the last decision with its evidence, or 404 with code `decision_pending` before the first."""
    state, decisions = _decisions(context, experiment_id)
    if not decisions:
        raise DecisionPending(f"no decision has been taken yet: experiment {experiment_id} is {state}")
    return decisions[-1]


@router.post(
    "/{experiment_id}/decision",
    Scope.ADMIN,
    Whose.ANY,
    **accepting(Overruling, HTTPStatus.NOT_FOUND),
    name="overrule_decision",
)
def overrule_decision(
    experiment_id: ExperimentPath, wanted: Annotated[OverrulingCreate, Body(openapi_examples=OVERRULING)], post: Posted
) -> JSONResponse:
    """Overrule the last decision. The reason stays on record; the computed decision does not change."""
    _check_option(wanted)

    def work(session: Session) -> Created:
        kept = overrule(
            session,
            experiment_id,
            outcome=wanted.outcome,
            option=wanted.option,
            reason=wanted.reason,
            by=post.principal.name,
        )
        return Created(location=f"/v1/experiments/{experiment_id}/decision", answer=kept)

    return post.accept(work, reason=wanted.reason, outcome=wanted.outcome, option=wanted.option)


def _check_option(wanted: OverrulingCreate) -> None:
    if (wanted.outcome == "single") == (wanted.option is not None):
        return
    detail = "single needs an option, transformer or gnn; the other outcomes take none"
    raise InvalidSpec(detail, mistakes=[Mistake(pointer="/option", detail=detail)])


@router.get("/{experiment_id}/decisions", Scope.READ, **tagged(HTTPStatus.NOT_FOUND))
def read_decisions(experiment_id: ExperimentPath, context: Ctx) -> list[DecisionAnswer]:
    """List the decisions in the order in which they were taken."""
    return _decisions(context, experiment_id)[1]


def _decisions(context: Ctx, experiment_id: str) -> tuple[str, list[DecisionAnswer]]:
    """Return the experiment's state and its decisions."""
    with context.database.read() as session:
        state = get_experiment(session, experiment_id).state
        return state, answered_decisions(session, experiment_id)
