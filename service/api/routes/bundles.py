"""Bundles: pack the decided models, download a bundle, score with it."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Body, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.bundles import SCORE_PRIORITY, BundleAnswer, BundleCreate, ScoreCreate, ScoresAnswer
from cellgate.contract.api.common import Page
from cellgate.contract.api.resources import Archived, DeletionAnswer, MetadataChange, ResourceKind
from cellgate.contract.api.tokens import Scope
from cellgate.contract.artifacts import BUNDLE_FOLDER, BUNDLE_MANIFEST_NAME
from cellgate.contract.bundle_summary import BundleSummary
from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.results import Scores
from cellgate.contract.states import BundleState, FailureReason, RunState, bundle_state
from service.api.archive import Archive
from service.api.changes import CHANGING, DELETING, Changing, Deleting, etag_of
from service.api.context import Context, Ctx
from service.api.etags import tagged
from service.api.examples import BUNDLES, SCORES
from service.api.idempotency import Created, Posted
from service.api.parameters import (
    ArchivedItems,
    BundlePath,
    ExperimentPath,
    Labels,
    OfExperiment,
    Paged,
    RunPath,
    wanted_archived,
    wanted_labels,
)
from service.api.polled_answers import IDLE
from service.api.polling import PolledIdle
from service.api.responses import accepting, documented
from service.api.run_files import missing_files
from service.api.scopes import ScopedRouter, Whose
from service.api.views import answer
from service.domain.errors import ArtifactMissing, NotFound
from service.domain.packing import Packing, decided_packing, requested_packing
from service.domain.rights import check_priority
from service.store.bundles import (
    BundleRecord,
    bundle_asked,
    create_bundle,
    get_bundle,
    list_bundles,
    ready_bundle,
    start_scoring,
)
from service.store.experiments import get_experiment
from service.store.filters import Filters
from service.store.gate_decision import answered_decisions
from service.store.runs import get_run
from service.store.tables import BundleRow, RunRow
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1", tags=["bundles"])
DECIDED = BundleCreate()
ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The bundle's folder as one tar stream.",
    }
}


@router.post(
    "/experiments/{experiment_id}/bundle",
    Scope.SUBMIT,
    Whose.NEW,
    **accepting(BundleAnswer, HTTPStatus.NOT_FOUND, queues_runs=True),
    name="pack_bundle",
)
def pack(
    experiment_id: ExperimentPath,
    post: Posted,
    wanted: Annotated[BundleCreate, Body(openapi_examples=BUNDLES)] = DECIDED,
) -> JSONResponse:
    """Pack the decided or the named models into a bundle that scores source code on any machine."""
    check_priority(post.principal, wanted.priority)

    def create(session: Session) -> Created:
        made = create_bundle(
            session,
            experiment_id,
            _packing(session, experiment_id, wanted),
            seeds=wanted.seeds,
            options=wanted.model_dump(mode="json", include={"licence_notes", "tolerance"}),
            limits=wanted,
            owner=post.principal.owner,
        )
        return Created(location=f"/v1/bundles/{made.row.id}", answer=_answer(made))

    return post.accept(create, queues_runs=True, about_made=True)


def _packing(session: Session, experiment_id: str, wanted: BundleCreate) -> Packing:
    policy = ExperimentSpec.model_validate(get_experiment(session, experiment_id).spec).policy
    if wanted.kind is not None or wanted.option is not None or wanted.text_weight is not None:
        return requested_packing(wanted.kind or "ensemble", wanted.option, wanted.text_weight)
    taken = answered_decisions(session, experiment_id)
    return decided_packing(taken[-1] if taken else None, text_weight=policy.text_weight)


@router.get("/bundles", Scope.READ, **tagged())
def read_bundles(
    context: Ctx,
    paging: Paged,
    experiment: OfExperiment = None,
    labels: Labels = None,
    archived: ArchivedItems = Archived.FALSE,
) -> Page[BundleAnswer]:
    """List the bundles, newest first."""
    wanted = Filters(experiment_id=experiment, labels=wanted_labels(labels), archived=wanted_archived(archived))
    with context.database.read() as session:
        found = list_bundles(session, paging.wanted, wanted)
        return paging.page([_answer(one) for one in found], [one.row.id for one in found])


@router.get("/bundles/{bundle_id}", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND))
def read_bundle(bundle_id: BundlePath, context: Ctx, response: Response) -> BundleAnswer:
    """Return a bundle, with its summary once it is ready."""
    with context.database.read() as session:
        found = get_bundle(session, bundle_id)
    response.headers["ETag"] = etag_of(bundle_id, found.row.version, found.run.version)
    return _answer(found)


@router.patch("/bundles/{bundle_id}", Scope.SUBMIT, Whose.OWN, **CHANGING)
def change_bundle(bundle_id: BundlePath, wanted: MetadataChange, changing: Changing) -> BundleAnswer:
    """Change a bundle's name, note, labels, or whether it is archived."""
    return changing.change(BundleRow, bundle_id, wanted, lambda session: _answer(get_bundle(session, bundle_id)))


@router.delete("/bundles/{bundle_id}", Scope.SUBMIT, Whose.OWN, **DELETING)
def delete_bundle(bundle_id: BundlePath, deleting: Deleting) -> DeletionAnswer:
    """Delete a bundle and the job that packed it. Only predictions that have not ended depend on it."""
    return deleting.delete(ResourceKind.BUNDLE, bundle_id)


@router.get(
    "/bundles/{bundle_id}/archive",
    Scope.READ,
    response_class=StreamingResponse,
    responses={**ARCHIVE, **documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE)},
)
def read_archive(bundle_id: BundlePath, context: Ctx) -> StreamingResponse:
    """Download a bundle's folder as a tar stream."""
    with context.database.read() as session:
        found = ready_bundle(session, bundle_id)
    folder = context.settings.artifacts / str(found.run.path) / BUNDLE_FOLDER
    # Only the files in the run's result and the manifest that lists them are sent.
    names = _files_of(found)
    _check_files(context, found)
    archive = Archive(folder=folder, root=bundle_id, names=names)
    headers = {
        "Content-Length": str(archive.size_bytes),
        "Content-Disposition": f'attachment; filename="{bundle_id}.tar"',
    }
    return StreamingResponse(archive.stream(), media_type="application/octet-stream", headers=headers)


def _files_of(found: BundleRecord) -> list[str]:
    listed = sorted(name.removeprefix(f"{BUNDLE_FOLDER}/") for name in (found.run.result or {})["artifacts"])
    return [BUNDLE_MANIFEST_NAME, *listed]


def _check_files(context: Context, found: BundleRecord) -> None:
    """Return if every file of a bundle is there.

    Raises:
        ArtifactMissing: One is not.
    """
    missing = missing_files(context.settings.artifacts / str(found.run.path) / BUNDLE_FOLDER, _files_of(found))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ArtifactMissing(
            f"{missing[0]}{more} of bundle {found.row.id} is not on disk any more: restore the artifact folder from a "
            f"backup, or pack again with POST /v1/experiments/{found.row.experiment_id}/bundle"
        )


@router.post(
    "/bundles/{bundle_id}/predict",
    Scope.SUBMIT,
    Whose.NEW,
    **accepting(ScoresAnswer, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, queues_runs=True),
    name="predict",
)
def predict(
    bundle_id: BundlePath, wanted: Annotated[ScoreCreate, Body(openapi_examples=SCORES)], post: Posted
) -> JSONResponse:
    """Score functions with a bundle. A worker scores them before it trains; poll `Location` with `wait`."""
    check_priority(post.principal, wanted.priority, normal=SCORE_PRIORITY)

    def create(session: Session) -> Created:
        _check_files(post.context, ready_bundle(session, bundle_id))
        config = wanted.model_dump(mode="json", include={"functions", "threshold", "explain"})
        run = start_scoring(session, bundle_id, config=config, limits=wanted, owner=post.principal.owner)
        return Created(location=f"/v1/predictions/{run.id}", answer=_scores(run, bundle_id))

    return post.accept(create, queues_runs=True, about_made=True)


@router.get("/predictions/{run_id}", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_prediction(run_id: RunPath, context: Ctx, poll: PolledIdle) -> ScoresAnswer:
    """Return the scores of the functions that were sent to a bundle."""
    with context.database.read() as session:
        poll.check(run_id, load_poll_state(session, run_id), IDLE)
        run = get_run(session, run_id)
        if run.cell != Cell.SCORE.value:
            raise NotFound(f"run {run_id} is no prediction: it is of cell {run.cell}")
        return _scores(run, bundle_asked(session, run))


def _answer(found: BundleRecord) -> BundleAnswer:
    state = bundle_state(RunState(found.run.state))
    summary = (found.run.result or {}).get("bundle") if state is BundleState.READY else None
    return answer(
        BundleAnswer,
        found.row,
        state=state,
        run=found.run.id,
        summary=None if summary is None else BundleSummary.model_validate(summary),
        failure_detail=found.run.failure_detail,
    )


def _scores(run: RunRow, bundle_id: str) -> ScoresAnswer:
    scores = (run.result or {}).get("scores")
    return ScoresAnswer(
        run=run.id,
        bundle=bundle_id,
        state=RunState(run.state),
        scores=None if scores is None else Scores.model_validate(scores),
        failure_reason=None if run.failure_reason is None else FailureReason(run.failure_reason),
        failure_detail=run.failure_detail,
    )
