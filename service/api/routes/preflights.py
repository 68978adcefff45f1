"""Pre-flight validation by itself: checks of a spec and a data set before anything is trained on them."""

from typing import Annotated, Any

from fastapi import Body
from fastapi.openapi.models import Example
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.jobs import JobAnswer, PreflightAnswer, PreflightCreate
from cellgate.contract.api.tokens import Scope
from cellgate.contract.cells import EXAMPLE_DATASET, Cell
from cellgate.contract.results import DatasetSummary, ResolvedRecipe
from service.api.idempotency import Created, Post, Posted
from service.api.model_check import check_checkpoints
from service.api.responses import accepting
from service.api.scopes import ScopedRouter, Whose
from service.api.views import job_answer
from service.domain.errors import InvalidSpec, Mistake
from service.domain.rights import check_priority
from service.domain.static_checks import static_checks, worst
from service.store.jobs import create_job, ready_dataset

router = ScopedRouter(prefix="/v1/preflights", tags=["jobs"])
CONFIGS = ("transformer", "gnn", "fusion")
EXAMPLES: dict[str, Example] = {
    "smoke": Example(
        summary="Take a pretrained text model and the default graph network through one real batch on a GPU worker",
        value={
            "dataset": EXAMPLE_DATASET,
            "queue": "gpu",
            "transformer": {"model": {"checkpoint": "microsoft/codebert-base", "max_tokens": 512}},
            "gnn": {},
        },
    ),
    "static": Example(
        summary="Check the spec and what is known of the data set; no worker is needed",
        value={"dataset": EXAMPLE_DATASET, "mode": "static", "gnn": {"model": {"architecture": "gat"}}},
    ),
}


@router.post(
    "",
    Scope.SUBMIT,
    Whose.NEW,
    **accepting(PreflightAnswer, queues_runs=True),
)
def submit_preflight(spec: Annotated[PreflightCreate, Body(openapi_examples=EXAMPLES)], post: Posted) -> JSONResponse:
    """Check a spec and a data set before training. `smoke` queues a job; `Location` names that job."""
    check_priority(post.principal, spec.priority)
    check_checkpoints(spec, post.context.settings.models)
    _check_cells(spec)

    def create(session: Session) -> Created:
        summary = DatasetSummary.model_validate(ready_dataset(session, spec.dataset).summary)
        checks = static_checks(summary)
        if spec.transformer is not None:
            checks = [*checks, ResolvedRecipe.of(spec.transformer).check()]
        job = _queue(session, spec, post) if spec.mode == "smoke" else None
        answer = PreflightAnswer(verdict=worst(checks), checks=checks, job=job)
        return Created(location=None if job is None else f"/v1/jobs/{job.id}", answer=answer)

    return post.accept(create, queues_runs=True)


def _check_cells(spec: PreflightCreate) -> None:
    if spec.mode == "smoke" and not any(getattr(spec, name) for name in CONFIGS):
        detail = "name what to try: transformer, gnn, or both; {} is its defaults"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="", detail=detail)])
    missing = [name for name in ("transformer", "gnn") if getattr(spec, name) is None]
    if spec.fusion is not None and missing:
        mistakes = [Mistake(pointer=f"/{name}", detail="fusion is tried on this model: name it") for name in missing]
        raise InvalidSpec(f"fusion needs {' and '.join(missing)} beside it", mistakes=mistakes)


def _queue(session: Session, spec: PreflightCreate, post: Post) -> JobAnswer:
    config: dict[str, Any] = spec.model_dump(mode="json", include=set(CONFIGS), exclude_none=True)
    job = create_job(
        session,
        cell=Cell.PREFLIGHT,
        dataset_id=spec.dataset,
        config=config,
        seeds=[0],
        limits=spec,
        owner=post.principal.owner,
    )
    return job_answer(job.row, job.runs, post.context.waiting(session, job.runs))
