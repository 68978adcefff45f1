"""Data sets."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from service.api.context import Ctx
from service.api.examples import DATASETS
from service.api.idempotency import Created, Posted
from service.api.paths import After, DatasetPath, Limit
from service.api.polling import Polled, next_cursor
from service.api.problems import documented, documented_submission
from service.api.schemas import DatasetAnswer, DatasetCreate, Page
from service.api.sources import check_graphs, check_source
from service.api.views import dataset_answer
from service.domain.states import DatasetState
from service.store.datasets import create_dataset, get_dataset, list_datasets, preparing_runs
from trainers.specs import PrepareConfig

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])


@router.post("", status_code=202, response_model=DatasetAnswer, responses=documented_submission())
def add_dataset(
    spec: Annotated[DatasetCreate, Body(openapi_examples=DATASETS)], post: Posted, context: Ctx
) -> JSONResponse:
    """Prepare a data set from a file below a data root: checked at once, prepared by a worker."""
    if (answered := post.answered()) is not None:
        return answered
    path = check_source(spec.source, spec.fields, context.settings.roots)
    graphs = None if spec.graphs is None else str(check_graphs(spec.graphs, context.settings.roots))
    config = PrepareConfig.model_validate(spec.model_dump(include=set(PrepareConfig.model_fields)))

    def create(session: Session) -> Created:
        row = create_dataset(session, name=spec.name, source=str(path), graphs=graphs, config=config, owner=post.caller)
        run_id = preparing_runs(session, [row.id]).get(row.id)
        return Created(location=f"/v1/datasets/{row.id}", answer=dataset_answer(row, run_id))

    return post.accept_within_quota(create)


@router.get("", responses=documented())
def read_datasets(context: Ctx, limit: Limit = 50, after: After = None) -> Page[DatasetAnswer]:
    """List the data sets, newest first."""
    with context.database.read() as session:
        rows = list_datasets(session, limit=limit, after=after)
        ids = [row.id for row in rows]
        runs = preparing_runs(session, ids)
        items = [dataset_answer(row, runs.get(row.id)) for row in rows]
    return Page(items=items, next=next_cursor(ids, limit))


@router.get("/{dataset_id}", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_dataset(dataset_id: DatasetPath, context: Ctx, poll: Polled) -> DatasetAnswer:
    """Return a data set; its summary once it is ready."""
    with context.database.read() as session:
        row = get_dataset(session, dataset_id)
        poll.check(row.id, row.version, ended=row.state != DatasetState.PREPARING)
        return dataset_answer(row, preparing_runs(session, [row.id]).get(row.id))
