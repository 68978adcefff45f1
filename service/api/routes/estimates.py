"""Estimates: what an experiment will take, before it is submitted."""

from typing import Annotated

from fastapi import Body
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.estimates import EstimateAnswer
from cellgate.contract.api.experiments import ExperimentCreate
from cellgate.contract.api.tokens import Scope
from service.api.examples import EXPERIMENTS
from service.api.experiment_specs import parsed_spec
from service.api.idempotency import Created, Posted
from service.api.model_check import check_checkpoints
from service.api.responses import accepting
from service.api.scopes import ScopedRouter, Whose
from service.domain.rights import check_priority
from service.store.estimates import estimate

router = ScopedRouter(prefix="/v1/estimates", tags=["experiments"])


@router.post("", Scope.SUBMIT, Whose.ANY, **accepting(EstimateAnswer), name="estimate")
def estimate_experiment(
    spec: Annotated[ExperimentCreate, Body(openapi_examples=EXPERIMENTS)], post: Posted
) -> JSONResponse:
    """Estimate time, memory, disk and cost of an experiment, from finished runs and pre-flights; nothing is created.

    Each figure has its range and says where it comes from, or that it is not known and what would make it known.
    """
    check_priority(post.principal, spec.priority)
    check_checkpoints(spec, post.context.settings.models)
    parsed, price = parsed_spec(spec, post.context.settings), post.context.settings.price_per_device_hour

    def work(session: Session) -> Created:
        found = estimate(session, dataset_id=spec.dataset, spec=parsed, price=price)
        return Created(location=None, answer=found)

    return post.accept(work)
