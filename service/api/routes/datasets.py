"""Data sets."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Body
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.common import Page
from cellgate.contract.api.datasets import DatasetAnswer, DatasetCreate
from cellgate.contract.api.resources import Archived, DeletionAnswer, MetadataChange, ResourceKind
from cellgate.contract.api.tokens import Scope
from cellgate.contract.configs import PrepareConfig
from service.api import shortcuts
from service.api.changes import CHANGING, DELETING, Changing, Deleting
from service.api.context import Ctx
from service.api.etags import tagged
from service.api.examples import DATASETS
from service.api.idempotency import Created, Posted
from service.api.parameters import (
    ArchivedItems,
    CreatedBefore,
    CreatedSince,
    DatasetName,
    DatasetPath,
    DatasetStates,
    DatasetVersion,
    Labels,
    seconds,
    wanted_archived,
    wanted_labels,
)
from service.api.polled_answers import IDLE
from service.api.polling import PolledIdle
from service.api.responses import accepting, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.sorted_pages import OwnedBy, PagedByName, Search
from service.api.source_check import check_graphs, check_sources
from service.api.views import dataset_answer
from service.store.datasets import create_dataset, get_dataset, list_datasets, preparing_runs
from service.store.filters import Filters
from service.store.tables import DatasetRow
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1/datasets", tags=["datasets"])


@router.post(
    "",
    Scope.SUBMIT,
    Whose.NEW,
    **accepting(DatasetAnswer, queues_runs=True),
)
def add_dataset(
    spec: Annotated[DatasetCreate, Body(openapi_examples=DATASETS)], post: Posted, context: Ctx
) -> JSONResponse:
    """Prepare a data set from files and folders below data roots. The API checks first lines; a worker prepares it.

    Another data set of the same name makes this one its next version.
    """
    if (answered := post.answered()) is not None:
        return answered
    paths = check_sources(spec.source, spec.fields, context.settings.roots)
    graphs = None if spec.graphs is None else str(check_graphs(spec.graphs, context.settings.roots))
    config = PrepareConfig.model_validate(spec.model_dump(include=set(PrepareConfig.model_fields)))

    def create(session: Session) -> Created:
        row = create_dataset(
            session,
            name=spec.name,
            source=[str(path) for path in paths],
            graphs=graphs,
            config=config,
            owner=post.principal.owner,
        )
        run_id = preparing_runs(session, [row.id]).get(row.id)
        return Created(location=f"/v1/datasets/{row.id}", answer=dataset_answer(row, run_id))

    return post.accept(create, queues_runs=True)


@router.get("", Scope.READ, **tagged())
def read_datasets(
    context: Ctx,
    paging: PagedByName,
    text: Search = None,
    owner: OwnedBy = None,
    states: DatasetStates = None,
    labels: Labels = None,
    archived: ArchivedItems = Archived.FALSE,
    created_since: CreatedSince = None,
    created_before: CreatedBefore = None,
    name: DatasetName = None,
    version: DatasetVersion = None,
) -> Page[DatasetAnswer]:
    """List the data sets, newest first or by name."""
    wanted = Filters(
        text=text,
        owner=owner,
        name=name,
        name_version=version,
        states=states or (),
        labels=wanted_labels(labels),
        archived=wanted_archived(archived),
        since_s=seconds(created_since),
        before_s=seconds(created_before),
    )
    with context.database.read() as session:
        rows = list_datasets(session, paging.wanted, wanted)
        ids = [row.id for row in rows]
        runs = preparing_runs(session, ids)
        items = [dataset_answer(row, runs.get(row.id)) for row in rows]
    return paging.found(items, rows)


@router.get(
    "/{dataset_id}",
    Scope.READ,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED),
    shortcut=shortcuts.unchanged_while_idle,
)
def read_dataset(dataset_id: DatasetPath, context: Ctx, poll: PolledIdle) -> DatasetAnswer:
    """Return a data set, with its summary once it is ready."""
    with context.database.read() as session:
        poll.check(dataset_id, load_poll_state(session, dataset_id), IDLE)
        row = get_dataset(session, dataset_id)
        return dataset_answer(row, preparing_runs(session, [row.id]).get(row.id))


@router.patch("/{dataset_id}", Scope.SUBMIT, Whose.OWN, **CHANGING)
def change_dataset(dataset_id: DatasetPath, wanted: MetadataChange, changing: Changing) -> DatasetAnswer:
    """Change a data set's name, note, labels, or whether it is archived."""

    def read(session: Session) -> DatasetAnswer:
        row = get_dataset(session, dataset_id)
        return dataset_answer(row, preparing_runs(session, [row.id]).get(row.id))

    return changing.change(DatasetRow, dataset_id, wanted, read)


@router.delete("/{dataset_id}", Scope.SUBMIT, Whose.OWN, **DELETING)
def delete_dataset(dataset_id: DatasetPath, deleting: Deleting) -> DeletionAnswer:
    """Delete a data set and the run that prepared it. Experiments, jobs and bundles on it depend on it."""
    return deleting.delete(ResourceKind.DATASET, dataset_id)
