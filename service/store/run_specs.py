"""The spec of one trainer process: a job's config plus where its inputs lie."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.artifacts import BUNDLE_FOLDER
from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.specs import AnySpec, EvaluateSpec, InspectSpec, PrepareSpec, RunOutput, SourceSpec
from service.domain.errors import Conflict
from service.domain.pipeline import Step
from service.local_paths import model_source
from service.store.bundles import ready_bundle
from service.store.dataset_sources import sources_of
from service.store.dataset_versions import version_before
from service.store.datasets import get_dataset
from service.store.runs import get_run
from service.store.steps import finished_runs
from service.store.tables import JobRow, RunRow

LR_CACHE = "lr_cache"
InputPaths = dict[str, Any]


def trainer_spec(
    session: Session,
    *,
    run_id: str,
    artifacts: Path,
    model_roots: Sequence[Path] = (),
    data_roots: Sequence[Path] | None = None,
) -> dict[str, Any]:
    """Return the JSON for `python -m trainers CELL --spec`; device and threads are for the worker to set.

    Args:
        artifacts: The artifact root; every path in the answer is absolute.
        model_roots: Folders that checkpoints may be loaded from.
        data_roots: Folders that labelled functions and graphs may be read from; None: any.

    Raises:
        NotFound: There is no such run.
        Conflict: An input is missing: the data set is not ready, a base run has not finished, a checkpoint is neither a
            hub name nor a folder below a model root, or a source lies below no data root any more.
        pydantic.ValidationError: The job's config is not one for its cell.
    """
    run = get_run(session, run_id)
    job = session.scalars(select(JobRow).where(JobRow.id == run.job_id)).one()
    root = artifacts.resolve()
    spec = _inspection(job) if job.dataset_id is None else _spec(session, run, job, job.dataset_id, root)
    if data_roots is not None:
        _check_roots(spec, data_roots)
    return _with_models(spec.model_dump(mode="json"), model_roots)


def _inspection(job: JobRow) -> InspectSpec:
    return InspectSpec.model_validate(job.spec)


def _check_roots(spec: AnySpec, roots: Sequence[Path]) -> None:
    """Check where the inputs lie now: roots and symbolic links may have changed since they were accepted."""
    named = [root.resolve() for root in roots]
    sources = spec.sources if isinstance(spec, SourceSpec) else ()
    graphs = spec.graphs if isinstance(spec, PrepareSpec) else None
    scores = spec.scores if isinstance(spec, EvaluateSpec) else None
    for path in (*sources, graphs, scores):
        if path is not None and not any(path.resolve().is_relative_to(root) for root in named):
            shown = ", ".join(map(str, roots))
            raise Conflict(
                f"{path} lies below no data root of this worker ({shown}): move it there, or add its folder to "
                "CELLGATE_DATA_ROOTS, for API and workers alike"
            )


def _with_models(spec: dict[str, Any], roots: Sequence[Path]) -> dict[str, Any]:
    """Return a spec with every checkpoint resolved now: what it was when it was submitted may have changed."""
    for name, part in spec.items():
        if not isinstance(part, dict):
            continue
        checkpoint = part.get("checkpoint") if name == "model" else None
        if isinstance(checkpoint, str):
            source = model_source(checkpoint, roots)
            if source is None:
                shown = ", ".join(map(str, roots))
                raise Conflict(
                    f"the checkpoint {checkpoint!r} is no hub name and no folder below a model root of this worker "
                    f"({shown}): put it there, or add its folder to CELLGATE_MODEL_ROOTS"
                )
            part["checkpoint"] = source
        _with_models(part, roots)
    return spec


def _spec(session: Session, run: RunRow, job: JobRow, dataset_id: str, root: Path) -> AnySpec:
    cell = Cell(run.cell)
    dataset = get_dataset(session, dataset_id)
    if cell is Cell.PREPARE:
        sources = [Path(source) for source in sources_of(dataset)]
        return PrepareSpec(
            **job.spec,
            source=sources[0] if len(sources) == 1 else sources,
            previous=version_before(session, dataset, root),
        )
    if dataset.path is None:
        raise Conflict(f"data set {dataset.id} is {dataset.state}: run {run.id} has nothing to work on")
    offered = {"dataset": root / dataset.path, "seed": run.seed, "lr_cache": root / LR_CACHE}
    spec = ENTRY_OF[cell].spec
    common = {name: value for name, value in offered.items() if name in spec.model_fields}
    inputs = INPUTS_OF[cell](session, run, job, root) if cell in INPUTS_OF else {}
    return spec.model_validate({**job.spec, **common, **inputs})


def _runs_to_pack(session: Session, _run: RunRow, job: JobRow, root: Path) -> InputPaths:
    return {"runs": [root / str(get_run(session, run_id).path) for run_id in job.spec["runs"]]}


def _bundle(session: Session, _run: RunRow, job: JobRow, root: Path) -> InputPaths:
    return {"bundle": root / str(ready_bundle(session, job.spec["bundle"]).run.path) / BUNDLE_FOLDER}


def _detector(session: Session, _run: RunRow, job: JobRow, root: Path) -> InputPaths:
    """Return the folders of a bundle and of what it was trained on; a file of scores is in the job's config."""
    bundle_id = job.spec["bundle"]
    if bundle_id is None:
        return {}
    bundle = ready_bundle(session, bundle_id)
    packed = session.get_one(JobRow, bundle.row.job_id)
    trained_on = get_dataset(session, str(packed.dataset_id))
    return {
        "bundle": root / str(bundle.run.path) / BUNDLE_FOLDER,
        "trained_on": None if trained_on.path is None else root / trained_on.path,
    }


def _bases(session: Session, run: RunRow, _job: JobRow, root: Path) -> InputPaths:
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


def _outputs(session: Session, _run: RunRow, job: JobRow, root: Path) -> InputPaths:
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


# What the cells read besides the data set.
INPUTS_OF: Mapping[Cell, Callable[[Session, RunRow, JobRow, Path], InputPaths]] = {
    Cell.FUSION: _bases,
    Cell.AGGREGATION: _outputs,
    Cell.PACK: _runs_to_pack,
    Cell.SCORE: _bundle,
    Cell.EVALUATE: _detector,
}
