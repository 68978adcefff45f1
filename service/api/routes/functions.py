"""Single functions of a data set: which there are, and the graph and verdicts of one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import StringConstraints
from sqlalchemy.orm import Session

from cellgate.contract.api.common import Page
from cellgate.contract.api.functions import FunctionAnswer, FunctionPrediction, FunctionSummary
from cellgate.contract.api.tokens import Scope
from cellgate.contract.artifacts import DATASET_FOLDER, FUNCTION_INDEX_NAME
from cellgate.contract.configs import PrepareConfig, Split
from cellgate.contract.identifiers import EXPERIMENT_ID
from cellgate.contract.states import DatasetState
from service.api.context import Context, Ctx
from service.api.evidence import models_of, newest_evidence, verdicts_left_by
from service.api.function_graph import graph_of
from service.api.function_index import FunctionFilter, function_in, functions_in, index_of
from service.api.parameters import DatasetPath
from service.api.polling import Polled
from service.api.problems import EvidencePending
from service.api.responses import documented
from service.api.row_pages import MOST_ROWS, RowPaged
from service.api.scopes import ScopedRouter
from service.api.table_files import TableFile
from service.api.verdict_tables import predictions_in
from service.domain.errors import ArtifactMissing, Conflict, InvalidRequest, MadeByOlderRelease, Mistake
from service.store.datasets import get_dataset, preparing_runs
from service.store.experiments import get_experiment
from service.store.runs import get_run
from service.store.tables import DatasetRow
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1/datasets", tags=["datasets"])
# Text that a caller looks for; NUL is in no name.
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
OfSplit = Annotated[Split | None, Query(alias="split", description="Functions of this split.")]
OfLabel = Annotated[int | None, Query(alias="label", ge=0, le=1, description="1: vulnerable functions; 0: the others.")]
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
UNJUDGED = (
    "verdicts are kept of dev, fuse and gate, and it is in {split}: train is what the models were made of, and test is "
    "for the report alone"
)


@router.get("/{dataset_id}/functions", Scope.READ, responses=ANSWERS)
def read_functions(
    dataset_id: DatasetPath,
    request: Request,
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
        # A query may hold what an entity tag may not.
        query = hashlib.sha256(request.url.query.encode()).hexdigest()[:16]
        poll.check(dataset_id, load_poll_state(session, dataset_id), "functions", query)
        index = _index(context, session, _ready(session, dataset_id))
    wanted = FunctionFilter(split=split, label=label, cwe=cwe, project=project, words=q)
    with index.opened() as tables:
        found = functions_in(tables, wanted, after=paging.after, limit=paging.limit)
    return Page(items=found, next=paging.next_of([one.row for one in found]))


@router.get("/{dataset_id}/functions/{row}", Scope.READ, responses=ANSWERS)
def read_function(
    dataset_id: DatasetPath, row: RowPath, context: Ctx, poll: Polled, experiment: JudgedBy = None
) -> FunctionAnswer:
    """Return a function with its source and its graph, and with the verdicts of an experiment's models."""
    with context.database.read() as session:
        judged = None if experiment is None else load_poll_state(session, experiment).version
        poll.check(dataset_id, load_poll_state(session, dataset_id), "function", row, experiment, judged)
        dataset = _ready(session, dataset_id)
        index = _index(context, session, dataset)
        verdicts = _Verdicts() if experiment is None else _verdicts(context, session, dataset_id, experiment)
    with index.opened() as tables:
        function = function_in(tables, index.folder, row)
    prepared = {name: dataset.spec[name] for name in PrepareConfig.model_fields.keys() & dataset.spec.keys()}
    max_nodes = PrepareConfig.model_validate(prepared).max_nodes
    graph, graph_missing = graph_of(function.summary, function.source, max_nodes=max_nodes)
    predictions, predictions_missing = verdicts.of(function.summary)
    return FunctionAnswer(
        **function.summary.model_dump(),
        dataset=dataset_id,
        source=function.source,
        source_bytes=function.source_bytes,
        graph=graph,
        graph_missing=graph_missing,
        predictions=predictions,
        predictions_missing=predictions_missing,
    )


def _ready(session: Session, dataset_id: str) -> DatasetRow:
    """Return a data set that is ready.

    Raises:
        NotFound: There is no such data set.
        Conflict: It is not ready.
    """
    row = get_dataset(session, dataset_id)
    if row.state != DatasetState.READY:
        then = "correct what failure_detail says and prepare it again" if row.state == DatasetState.FAILED else "wait"
        raise Conflict(f"data set {row.id} is {row.state}, and functions are read of one that is ready: {then}")
    return row


def _index(context: Context, session: Session, row: DatasetRow) -> TableFile:
    run_id = preparing_runs(session, [row.id]).get(row.id)
    left = {} if run_id is None else (get_run(session, run_id).result or {}).get("artifacts", {})
    vouched = f"{DATASET_FOLDER}/{FUNCTION_INDEX_NAME}" in left
    return index_of(context.settings.artifacts / str(row.path), row.id, vouched=vouched)


@dataclass(frozen=True, kw_only=True)
class _Verdicts:
    """What an experiment's models say of functions.

    Args:
        file: None where none were asked for, or there are none yet.
        missing: Why there are none yet.
        runs: That trained the models, by cell and seed.
    """

    file: TableFile | None = None
    missing: str | None = None
    runs: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def of(self, function: FunctionSummary) -> tuple[list[FunctionPrediction], str | None]:
        """Return the verdicts on a function, and why there are none."""
        if self.file is None:
            return [], self.missing
        try:
            with self.file.opened() as tables:
                found = predictions_in(tables, function.row, self.runs)
        except (MadeByOlderRelease, ArtifactMissing) as error:
            # The function itself can be shown all the same.
            return [], error.detail
        return found, None if found else UNJUDGED.format(split=function.split.value)


def _verdicts(context: Context, session: Session, dataset_id: str, experiment_id: str) -> _Verdicts:
    """Return where the verdicts of an experiment's models are.

    Raises:
        NotFound: There is no such experiment.
        InvalidRequest: It is on another data set.
    """
    experiment = get_experiment(session, experiment_id)
    if experiment.dataset_id != dataset_id:
        detail = f"experiment {experiment_id} is on data set {experiment.dataset_id}: name one that is on {dataset_id}"
        mistake = Mistake(pointer="#query/experiment", detail=detail)
        raise InvalidRequest("the experiment is on another data set", mistakes=[mistake])
    try:
        _, run = newest_evidence(session, experiment_id)
    except EvidencePending as error:
        return _Verdicts(missing=error.detail)
    return _Verdicts(file=verdicts_left_by(run, context.settings.artifacts), runs=models_of(session, experiment_id))
