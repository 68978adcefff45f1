"""Evaluations: judge a bundle, or the scores of any detector, on a data set that it was not trained on."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Body
from fastapi.openapi.models import Example
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.evaluations import EvaluationAnswer, EvaluationCreate
from cellgate.contract.api.tokens import Scope
from cellgate.contract.cells import EXAMPLE_DATASET
from cellgate.contract.results import Evaluation
from cellgate.contract.states import FailureReason, RunState
from service.api.context import Ctx
from service.api.idempotency import Created, Posted
from service.api.parameters import RunPath
from service.api.polled_answers import IDLE
from service.api.polling import PolledIdle
from service.api.responses import accepting, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.source_check import check_scores
from service.domain.rights import check_priority
from service.store.evaluations import get_evaluation, start_evaluation
from service.store.tables import JobRow, RunRow
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1/evaluations", tags=["bundles"])
EXAMPLES: dict[str, Example] = {
    "bundle": Example(
        summary="Judge a bundle on another data set",
        value={"dataset": EXAMPLE_DATASET, "bundle": "bun_01J8Z0K3V9Q4T6X2B5N7M1C8DC"},
    ),
    "scores": Example(
        summary="Judge another detector by its scores",
        value={"dataset": EXAMPLE_DATASET, "scores": "/srv/data/scores.jsonl", "threshold": 0.5},
    ),
}


@router.post("", Scope.SUBMIT, Whose.NEW, **accepting(EvaluationAnswer, queues_runs=True))
def evaluate(wanted: Annotated[EvaluationCreate, Body(openapi_examples=EXAMPLES)], post: Posted) -> JSONResponse:
    """Judge a detector by a data set's gate and test split. A worker does it; poll `Location` with `wait`.

    The evaluation says first what these functions share with those that a bundle was trained on.
    """
    if (answered := post.answered()) is not None:
        return answered
    check_priority(post.principal, wanted.priority)
    scores = None if wanted.scores is None else check_scores(wanted.scores, post.context.settings.roots)

    def create(session: Session) -> Created:
        run = start_evaluation(
            session,
            dataset_id=wanted.dataset,
            bundle_id=wanted.bundle,
            scores=scores,
            threshold=wanted.threshold,
            cutoff=wanted.cutoff,
            limits=wanted,
            owner=post.principal.owner,
        )
        return Created(location=f"/v1/evaluations/{run.id}", answer=_answer(run, session.get_one(JobRow, run.job_id)))

    return post.accept(create, queues_runs=True)


@router.get("/{run_id}", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_evaluation(run_id: RunPath, context: Ctx, poll: PolledIdle) -> EvaluationAnswer:
    """Return how a detector does on a data set, once its run has succeeded."""
    with context.database.read() as session:
        poll.check(run_id, load_poll_state(session, run_id), IDLE)
        return _answer(*get_evaluation(session, run_id))


def _answer(run: RunRow, job: JobRow) -> EvaluationAnswer:
    found = (run.result or {}).get("evaluation")
    return EvaluationAnswer(
        run=run.id,
        dataset=str(job.dataset_id),
        bundle=job.spec.get("bundle"),
        state=RunState(run.state),
        evaluation=None if found is None else Evaluation.model_validate(found),
        failure_reason=None if run.failure_reason is None else FailureReason(run.failure_reason),
        failure_detail=run.failure_detail,
    )
