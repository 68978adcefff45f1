"""The spec of one trainer process: a job's config plus where its inputs lie."""

from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.artifacts import BUNDLE_FOLDER
from cellgate.contract.cells import AnySpec, Cell
from cellgate.contract.specs import (
    AggregationSpec,
    FusionSpec,
    GnnSpec,
    PackSpec,
    PreflightSpec,
    PrepareSpec,
    RunOutput,
    ScoreSpec,
    TransformerSpec,
)
from service.domain.errors import Conflict
from service.domain.pipeline import Step
from service.store.bundles import ready_bundle
from service.store.datasets import get_dataset
from service.store.runs import get_run
from service.store.steps import finished_runs
from service.store.tables import DatasetRow, JobRow, RunRow

LR_CACHE = "lr_cache"


def trainer_spec(session: Session, *, run_id: str, artifacts: Path) -> dict[str, Any]:
    """Return the JSON for `python -m trainers CELL --spec`; device and threads are for the worker to set.

    Args:
        artifacts: The artifact root; every path in the answer is absolute.

    Raises:
        NotFound: There is no such run.
        Conflict: An input is missing: the data set is not ready, or a base run has not finished.
        pydantic.ValidationError: The job's config is not one for its cell.
    """
    run = get_run(session, run_id)
    job = session.scalars(select(JobRow).where(JobRow.id == run.job_id)).one()
    dataset = get_dataset(session, job.dataset_id)
    root = artifacts.resolve()
    return _spec(session, run, job, dataset, root).model_dump(mode="json")


def _spec(session: Session, run: RunRow, job: JobRow, dataset: DatasetRow, root: Path) -> AnySpec:
    config = job.spec
    cell = Cell(run.cell)
    if cell is Cell.PREPARE:
        return PrepareSpec(**config, source=Path(dataset.source))
    if dataset.path is None:
        raise Conflict(f"data set {dataset.id} is {dataset.state}: run {run.id} has nothing to work on")
    place: dict[str, Any] = {"dataset": root / dataset.path, "seed": run.seed}
    cache = {"lr_cache": root / LR_CACHE}
    match cell:
        case Cell.PREFLIGHT:
            return PreflightSpec(**config, **place)
        case Cell.TRANSFORMER:
            return TransformerSpec(**config, **place, **cache)
        case Cell.GNN:
            return GnnSpec(**config, **place, **cache)
        case Cell.FUSION:
            return FusionSpec(**config, **place, **cache, **_bases(session, run, root))
        case Cell.AGGREGATION:
            return AggregationSpec(**config, **place, **_outputs(session, job, root))
        case Cell.PACK:
            return PackSpec(**{**config, "runs": _folders(session, config["runs"], root)}, **place)
        case Cell.SCORE:
            return ScoreSpec(**{**config, "bundle": _bundle(session, config["bundle"], root)}, seed=run.seed)


def _folders(session: Session, run_ids: list[str], root: Path) -> list[Path]:
    return [root / str(get_run(session, run_id).path) for run_id in run_ids]


def _bundle(session: Session, bundle_id: str, root: Path) -> Path:
    return root / str(ready_bundle(session, bundle_id).run.path) / BUNDLE_FOLDER


def _bases(session: Session, run: RunRow, root: Path) -> dict[str, Path]:
    """Return the output folders of this seed's two bases."""
    experiment_id = run.experiment_id or ""
    found = {
        name: finished_runs(session, experiment_id, step).get(run.seed)
        for name, step in (("transformer", Step.TRANSFORMER), ("gnn", Step.GNN))
    }
    missing = [name for name, base in found.items() if base is None]
    if missing:
        raise Conflict(f"seed {run.seed} of {' and '.join(missing)} has not finished: run {run.id} has no bases")
    return {name: root / str(base.path) for name, base in found.items() if base is not None}


def _outputs(session: Session, job: JobRow, root: Path) -> dict[str, list[RunOutput]]:
    """Return the output folders of every seed that all weighed cells have finished."""
    steps = {"transformer": Step.TRANSFORMER, "gnn": Step.GNN}
    if job.step == Step.EVIDENCE_FINAL:
        steps["fusion"] = Step.FUSION
    finished = {name: finished_runs(session, job.experiment_id or "", step) for name, step in steps.items()}
    seeds = sorted(set.intersection(*(set(runs) for runs in finished.values())))
    return {
        name: [RunOutput(seed=seed, path=root / str(runs[seed].path), run=runs[seed].id) for seed in seeds]
        for name, runs in finished.items()
    }
