"""Workers over HTTP: list them with their runs, drain and resume them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Path
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.operations import WorkerAnswer
from cellgate.contract.api.tokens import Scope
from service.api.context import Ctx
from service.api.etags import tagged
from service.api.idempotency import Created, Post, Posted
from service.api.responses import accepting
from service.api.scopes import ScopedRouter, Whose
from service.api.views import answer
from service.store.queue import held_runs
from service.store.tables import WorkerRow
from service.store.workers import get_worker, list_workers, living_workers, set_draining

router = ScopedRouter(prefix="/v1/workers", tags=["cells and workers"])
WorkerPath = Annotated[
    str, Path(pattern=r"^[!-~]{1,200}$", description="Id of the worker, as GET /v1/workers shows it.")
]
ACTION = accepting(WorkerAnswer, HTTPStatus.NOT_FOUND)


@router.get("", Scope.READ, **tagged())
def read_workers(context: Ctx) -> list[WorkerAnswer]:
    """List the workers, including those without a recent heartbeat."""
    with context.database.read() as session:
        return _answers(session, list_workers(session))


@router.get("/{worker_id}", Scope.READ, **tagged(HTTPStatus.NOT_FOUND))
def read_worker(worker_id: WorkerPath, context: Ctx) -> WorkerAnswer:
    """Return a worker with the runs that it holds."""
    with context.database.read() as session:
        [found] = _answers(session, [get_worker(session, worker_id)])
    return found


@router.post("/{worker_id}/drain", Scope.ADMIN, Whose.ANY, **ACTION, name="drain_worker")
def drain(worker_id: WorkerPath, post: Posted) -> JSONResponse:
    """Drain a worker. It claims no more runs and finishes those that it holds.

    When its `runs` are empty, it can be stopped without interrupting a run.
    """
    return _set(post, worker_id, draining=True)


@router.post("/{worker_id}/resume", Scope.ADMIN, Whose.ANY, **ACTION, name="resume_worker")
def resume(worker_id: WorkerPath, post: Posted) -> JSONResponse:
    """End the draining of a worker. It claims runs again."""
    answered = _set(post, worker_id, draining=False)
    # Notifications during the drain were forwarded and are not repeated so soon: wake the worker to claim.
    with post.context.database.read() as session:
        worker = get_worker(session, worker_id)
    for _ in range(worker.slots):
        if not post.context.notifier.notify("", str(worker.queues[0])):
            break
    return answered


def _set(post: Post, worker_id: str, *, draining: bool) -> JSONResponse:
    def work(session: Session) -> Created:
        [found] = _answers(session, [set_draining(session, worker_id, draining=draining)])
        return Created(location=f"/v1/workers/{worker_id}", answer=found)

    return post.accept(work)


def _answers(session: Session, workers: Sequence[WorkerRow]) -> list[WorkerAnswer]:
    alive = {row.id for row in living_workers(session)}
    runs = held_runs(session)
    return [answer(WorkerAnswer, row, alive=row.id in alive, runs=list(runs.get(row.id, ()))) for row in workers]
