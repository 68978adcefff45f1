"""Bundles: pack the models of a decision, and score functions with a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec, RunLimits
from cellgate.contract.states import BundleState, RunState, bundle_state
from service.domain.errors import Conflict, InvalidSpec, Mistake
from service.domain.packing import Packing
from service.domain.principals import Owner
from service.store.database import now_s
from service.store.experiments import get_experiment
from service.store.filters import EVERYTHING, Filters, matching_bundles
from service.store.jobs import create_job
from service.store.lookup import existing, new_id
from service.store.paging import FIRST_PAGE, PageOf, find_page
from service.store.steps import ONE_RUN, finished_runs
from service.store.tables import BundleRow, JobRow, RunRow


@dataclass(frozen=True, kw_only=True)
class BundleRecord:
    """A bundle and the run that packs it."""

    row: BundleRow
    run: RunRow


def create_bundle(
    session: Session,
    experiment_id: str,
    packing: Packing,
    *,
    seeds: Sequence[int] | None,
    options: dict[str, Any],
    limits: RunLimits,
    owner: Owner,
) -> BundleRecord:
    """Queue a run that packs an experiment's runs.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        packing: Kind, steps and weights.
        seeds: Default: those of the packing; if it names none, all that every step has finished.
        options: `licence_notes` and `tolerance`, as `cellgate.contract.specs.PackSpec` has them.
        limits: Priority, queue and time limits of the run.
        owner: Whom it belongs to.

    Raises:
        NotFound: There is no such experiment.
        Conflict: No seed has finished every step.
        InvalidSpec: A requested seed has not.
    """
    experiment = get_experiment(session, experiment_id)
    finished = [finished_runs(session, experiment_id, step) for step in packing.steps]
    chosen = _seeds(packing, set.intersection(*(set(runs) for runs in finished)), seeds or packing.seeds)
    policy = ExperimentSpec.model_validate(experiment.spec).policy
    stated = {
        "deployment_prevalence": policy.deployment_prevalence,
        "alerts_per_1000": policy.alert_budget_per_1000,
        "selective_risk": policy.selective_risk,
    }
    config = {
        "kind": packing.kind,
        "runs": [runs[seed].id for seed in chosen for runs in finished],
        "text_weight": packing.text_weight,
        **{name: value for name, value in stated.items() if value is not None},
        **options,
    }
    job = create_job(
        session,
        cell=Cell.PACK,
        dataset_id=experiment.dataset_id,
        config=config,
        seeds=ONE_RUN,
        limits=limits,
        owner=owner,
    )
    values = {
        "id": new_id("bun"),
        "experiment_id": experiment_id,
        "job_id": job.id,
        "kind": packing.kind,
        "owner": owner.name,
        "owner_id": owner.id,
        "created_at": now_s(),
    }
    row = session.scalars(insert(BundleRow).values(values).returning(BundleRow)).one()
    return get_bundle(session, row.id)


def _seeds(packing: Packing, finished: set[int], requested: Sequence[int]) -> list[int]:
    named = " and ".join(packing.steps)
    if not finished:
        raise Conflict(f"no seed has finished {named}: there is nothing to pack")
    missing = [seed for seed in requested if seed not in finished]
    if missing:
        detail = f"seeds {sorted(finished)} have finished {named}, but not {missing}: request those only"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/seeds", detail=detail)])
    return sorted(requested or finished)


def get_bundle(session: Session, bundle_id: str) -> BundleRecord:
    """Return a bundle.

    Raises:
        NotFound: There is no such bundle.
    """
    found = session.execute(_bundles().where(BundleRow.id == bundle_id)).one_or_none()
    row, run = existing(found, BundleRow, bundle_id)
    return BundleRecord(row=row, run=run)


def list_bundles(session: Session, page: PageOf = FIRST_PAGE, wanted: Filters = EVERYTHING) -> list[BundleRecord]:
    """Return a page of the bundles that match the filters.

    Args:
        session: An open transaction.
        page: The page.
        wanted: Filters.
    """
    ids = list(find_page(session, matching_bundles(wanted), page))
    chosen = _bundles().where(BundleRow.id.in_(ids)).order_by(BundleRow.id.desc())
    return [BundleRecord(row=row, run=run) for row, run in session.execute(chosen)]


def ready_bundle(session: Session, bundle_id: str) -> BundleRecord:
    """Return a bundle that is ready to score functions.

    Raises:
        NotFound: There is no such bundle.
        Conflict: It is not ready.
    """
    found = get_bundle(session, bundle_id)
    state = bundle_state(RunState(found.run.state))
    if state is BundleState.READY:
        return found
    if state is BundleState.PACKING:
        raise Conflict(f"bundle {bundle_id} is still being packed; try again once its state is ready")
    raise Conflict(f"bundle {bundle_id} could not be packed: {found.run.failure_detail or found.run.state}")


def start_scoring(
    session: Session, bundle_id: str, *, config: dict[str, Any], limits: RunLimits, owner: Owner
) -> RunRow:
    """Queue a run that scores functions and return it.

    Args:
        session: An open transaction.
        bundle_id: The bundle to score with.
        config: `functions`, `threshold` and `explain`, as `cellgate.contract.specs.ScoreSpec` has them.
        limits: Priority, queue and time limits of the run.
        owner: Whom it belongs to.

    Raises:
        NotFound: There is no such bundle.
        Conflict: It is not ready.
    """
    found = ready_bundle(session, bundle_id)
    dataset_id = get_experiment(session, found.row.experiment_id).dataset_id
    job = create_job(
        session,
        cell=Cell.SCORE,
        dataset_id=dataset_id,
        config={"bundle": bundle_id, **config},
        seeds=ONE_RUN,
        limits=limits,
        owner=owner,
    )
    (run,) = job.runs
    return run


def bundle_asked(session: Session, run: RunRow) -> str:
    """Return the id of the bundle that a scoring run uses."""
    return str(session.scalars(select(JobRow.spec).where(JobRow.id == run.job_id)).one()["bundle"])


def _bundles() -> Select[BundleRow, RunRow]:
    current = (RunRow.job_id == BundleRow.job_id) & RunRow.superseded_by.is_(None)
    return select(BundleRow, RunRow).join(RunRow, current)
