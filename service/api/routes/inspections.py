"""How a source would be read as a data set, before one is made of it; and how that of a data set was."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Body
from fastapi.openapi.models import Example
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.datasets import INSPECTION_PRIORITY, InspectionAnswer, InspectionCreate
from cellgate.contract.api.tokens import Scope
from cellgate.contract.artifacts import DATASET_REPORT_NAME
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.inspection import Inspection
from cellgate.contract.states import FailureReason, RunState
from cellgate.contract.untrusted_files import read_document
from service.api.context import Ctx
from service.api.idempotency import Created, Posted
from service.api.parameters import DatasetPath, RunPath
from service.api.polled_answers import IDLE
from service.api.polling import PolledIdle
from service.api.responses import accepting, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.source_check import check_sources
from service.domain.errors import ArtifactMissing, Conflict
from service.domain.rights import check_priority
from service.store.datasets import get_dataset
from service.store.inspections import get_inspection, start_inspection
from service.store.tables import RunRow
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1", tags=["datasets"])
EXAMPLES: dict[str, Example] = {
    "one file": Example(summary="Show how a file would be read", value={"source": "/srv/data/functions.jsonl"}),
    "with settings": Example(
        summary="Show how a folder would be read with a column named for it",
        value={"source": ["/srv/data/sven"], "fields": {"before": "func_src_before", "after": "func_src_after"}},
    ),
}


@router.post(
    "/inspections",
    Scope.SUBMIT,
    Whose.NEW,
    **accepting(InspectionAnswer, queues_runs=True),
)
def inspect_source(wanted: Annotated[InspectionCreate, Body(openapi_examples=EXAMPLES)], post: Posted) -> JSONResponse:
    """Show how files and folders would be read. A worker reads them before it trains; poll `Location` with `wait`."""
    if (answered := post.answered()) is not None:
        return answered
    check_priority(post.principal, wanted.priority, normal=INSPECTION_PRIORITY)
    paths = check_sources(wanted.source, wanted.fields, post.context.settings.roots, look=False)
    config = wanted.model_dump(mode="json", include=set(PrepareConfig.model_fields))

    def create(session: Session) -> Created:
        sources = [str(path) for path in paths]
        run = start_inspection(session, sources=sources, config=config, limits=wanted, owner=post.principal.owner)
        return Created(location=f"/v1/inspections/{run.id}", answer=_answer(run))

    return post.accept(create, queues_runs=True)


@router.get("/inspections/{run_id}", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_inspection(run_id: RunPath, context: Ctx, poll: PolledIdle) -> InspectionAnswer:
    """Return how a source would be read, once its run has succeeded."""
    with context.database.read() as session:
        poll.check(run_id, load_poll_state(session, run_id), IDLE)
        return _answer(get_inspection(session, run_id))


@router.get(
    "/datasets/{dataset_id}/inspection",
    Scope.READ,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
def read_dataset_inspection(dataset_id: DatasetPath, context: Ctx) -> Inspection:
    """Return how a ready data set's source was read: columns, labels, pairs, splits, and what was left out."""
    with context.database.read() as session:
        row = get_dataset(session, dataset_id)
    if row.path is None:
        raise Conflict(f"data set {dataset_id} is {row.state}: it has no report yet")
    try:
        report = read_document(context.settings.artifacts / row.path / DATASET_REPORT_NAME)
        return Inspection.model_validate(report["reading"])
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactMissing(
            f"the report of data set {dataset_id} cannot be read ({type(error).__name__}): restore the artifact folder "
            "from a backup, or prepare the data set again"
        ) from error
    except KeyError:
        raise Conflict(
            f"data set {dataset_id} was prepared before readings were kept: prepare it again, or ask for an inspection "
            "of its source with POST /v1/inspections"
        ) from None


def _answer(run: RunRow) -> InspectionAnswer:
    found = (run.result or {}).get("inspection")
    return InspectionAnswer(
        run=run.id,
        state=RunState(run.state),
        inspection=None if found is None else Inspection.model_validate(found),
        failure_reason=None if run.failure_reason is None else FailureReason(run.failure_reason),
        failure_detail=run.failure_detail,
    )
