"""Single functions of a data set: which there are, and the graph and verdicts of one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query
from pydantic import StringConstraints

from cellgate.contract.api.common import Page
from cellgate.contract.api.functions import FunctionAnswer, FunctionSummary, Label
from cellgate.contract.api.tokens import Scope
from cellgate.contract.configs import Split
from cellgate.contract.identifiers import EXPERIMENT_ID
from cellgate.contract.states import DatasetState
from service.api.context import Ctx
from service.api.parameters import DatasetPath
from service.api.polling import Polled
from service.api.responses import documented
from service.api.row_pages import MOST_ROWS, RowPaged
from service.api.scopes import ScopedRouter
from service.domain.errors import Conflict, MadeByOlderRelease
from service.store.datasets import get_dataset
from service.store.tables import DatasetRow
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1/datasets", tags=["datasets"])
# Text that a caller looks for; NUL is in no name.
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
OfSplit = Annotated[Split | None, Query(alias="split", description="Functions of this split.")]
OfLabel = Annotated[Label | None, Query(alias="label", description="1: vulnerable functions; 0: the others.")]
OfCwe = Annotated[Text | None, Query(alias="cwe", description="Functions with this weakness, such as `CWE-787`.")]
OfProject = Annotated[Text | None, Query(alias="project", description="Functions of this project.")]
Wanted = Annotated[
    Text | None, Query(alias="q", description="Part of a function's name or id, in upper or lower case.")
]
RowPath = Annotated[int, Path(ge=0, lt=MOST_ROWS, description="Number of the function in its data set, from 0.")]
JudgedBy = Annotated[
    str | None,
    Query(alias="experiment", pattern=EXPERIMENT_ID, description="Experiment whose models' verdicts are wanted."),
]
ANSWERS = documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.NOT_MODIFIED)


@router.get("/{dataset_id}/functions", Scope.READ, responses=ANSWERS)
def read_functions(
    dataset_id: DatasetPath,
    context: Ctx,
    poll: Polled,
    paging: RowPaged,
    split: OfSplit = None,
    label: OfLabel = None,
    cwe: OfCwe = None,
    project: OfProject = None,
    q: Wanted = None,
) -> Page[FunctionSummary]:
    """List the functions of a prepared data set, in its order."""
    with context.database.read() as session:
        poll.check(dataset_id, load_poll_state(session, dataset_id))
        row = _ready(get_dataset(session, dataset_id))
    raise _older(row)


@router.get("/{dataset_id}/functions/{row}", Scope.READ, responses=ANSWERS)
def read_function(
    dataset_id: DatasetPath, row: RowPath, context: Ctx, poll: Polled, experiment: JudgedBy = None
) -> FunctionAnswer:
    """Return a function with its source and its graph, and with the verdicts of an experiment's models."""
    with context.database.read() as session:
        poll.check(dataset_id, load_poll_state(session, dataset_id))
        dataset = _ready(get_dataset(session, dataset_id))
    raise _older(dataset)


def _ready(row: DatasetRow) -> DatasetRow:
    """Return the data set.

    Raises:
        Conflict: It is not ready.
    """
    if row.state != DatasetState.READY:
        raise Conflict(f"data set {row.id} is {row.state}; its functions can be read once it is ready")
    return row


def _older(row: DatasetRow) -> MadeByOlderRelease:
    return MadeByOlderRelease(
        f"data set {row.id} was prepared by an older release, which left no list of its functions: prepare it again"
    )
