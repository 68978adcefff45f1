"""What an experiment will take, from this deployment's own finished runs and pre-flights."""

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from cellgate.contract.api.estimates import EstimateAnswer, Figure, SpentAnswer, StepEstimate
from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.configs import FusionConfig, GnnConfig, Split, TransformerConfig
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.results import PredictedNeed
from cellgate.contract.states import RunState
from service.domain.estimates import Trained, memory_of_run, scaled, seconds_of_run, total
from service.store.budgets import HOUR_S, spent_s
from service.store.database import now_s
from service.store.jobs import no_dataset
from service.store.lookup import get_row
from service.store.tables import DatasetRow, EventRow, ExperimentRow, JobRow, RunRow

ESTIMATED = "estimated"
# Finished runs and pre-flights that are looked at, the newest first.
LOOKED_AT = 200
SPLIT_OF: Mapping[Cell, Split] = {Cell.TRANSFORMER: Split.TRAIN, Cell.GNN: Split.TRAIN, Cell.FUSION: Split.FUSE}
# What of a config makes two runs comparable; the weight of an ensemble costs nothing.
COMPARED = ("batch_size", "accumulation")
CHEAP = ("text_weight",)
Config = TransformerConfig | GnnConfig | FusionConfig


def estimate(session: Session, *, dataset_id: str, spec: ExperimentSpec, price: float | None) -> EstimateAnswer:
    """Return what the cells 51 to 53 of an experiment will take; pre-flight and evidence come besides.

    Args:
        session: An open transaction.
        dataset_id: The data set.
        spec: Of the experiment.
        price: Of a device hour; None: not known.

    Raises:
        InvalidSpec: There is no such data set.
    """
    dataset = session.get(DatasetRow, dataset_id)
    if dataset is None:
        raise no_dataset(dataset_id)
    fused = 0 if spec.policy.fusion == "never" else len(spec.seeds)
    wanted: list[tuple[Cell, Config, int]] = [
        (Cell.TRANSFORMER, spec.transformer, len(spec.seeds)),
        (Cell.GNN, spec.gnn, len(spec.seeds)),
        (Cell.FUSION, spec.fusion, fused),
    ]
    steps = [
        estimate_step(session, dataset, cell, config, runs=runs, queue=spec.queue)
        for cell, config, runs in wanted
        if runs
    ]
    time = total(
        [(step.seconds, step.runs, step.cell != 53 or spec.policy.fusion == "always") for step in steps],
        unknown="; ".join(step.seconds.source for step in steps if step.seconds.value is None),
    )
    limit_s = None if spec.budget is None else spec.budget.device_s
    return EstimateAnswer(
        steps=steps,
        device_s=time,
        cost=scaled(
            time,
            None if price is None else price / HOUR_S,
            source=f"time at work at {price or 0:g} per device hour",
            unknown="no price is set: CELLGATE_PRICE_PER_DEVICE_HOUR",
        ),
        exceeds_budget=limit_s is not None and time.low is not None and time.low > limit_s,
    )


def record_estimate(session: Session, experiment_id: str, found: EstimateAnswer) -> None:
    """Keep what was predicted for an experiment, as one of its events."""
    body = found.model_dump(mode="json")
    session.execute(insert(EventRow).values(experiment_id=experiment_id, kind=ESTIMATED, body=body, at=now_s()))
    predicted = {str(step.cell): step.seconds.value for step in found.steps if step.seconds.value is not None}
    if predicted:
        changed = update(ExperimentRow).where(ExperimentRow.id == experiment_id).values(predicted=predicted)
        session.execute(changed.execution_options(synchronize_session=False))


def spent_and_predicted(session: Session, experiment_id: str, *, price: float | None) -> SpentAnswer:
    """Return what an experiment has taken so far beside what was predicted.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        price: Of a device hour; None: not known.

    Raises:
        NotFound: There is no such experiment.
    """
    experiment = get_row(session, ExperimentRow, experiment_id)
    chosen = select(EventRow.body).where(EventRow.experiment_id == experiment_id, EventRow.kind == ESTIMATED)
    body = session.scalar(chosen.order_by(EventRow.id).limit(1))
    trained_s, other_s = (spent_s(session, experiment_id, trained=trained) for trained in (True, False))
    return SpentAnswer(
        predicted=None if body is None else EstimateAnswer.model_validate(body),
        device_s=trained_s,
        other_s=other_s,
        cost=None if price is None else (trained_s + other_s) * price / HOUR_S,
        budget_s=(experiment.spec.get("budget") or {}).get("device_s"),
    )


def estimate_step(
    session: Session,
    dataset: DatasetRow,
    cell: Cell,
    config: Config,
    *,
    runs: int,
    queue: str,
    ended_before: float = math.inf,
) -> StepEstimate:
    """Return what each run of one cell will take.

    Args:
        session: An open transaction.
        dataset: That it is trained on.
        cell: 51, 52 or 53.
        config: Of the cell.
        runs: One per seed.
        queue: That they wait in.
        ended_before: Only runs and pre-flights that had ended by then count; seconds since the epoch.
    """
    name = ENTRY_OF[cell].name
    rows = _rows(dataset, SPLIT_OF[cell])
    unknown = (
        f"not known: no run of {ENTRY_OF[cell].label} with this model and batch size has finished in queue {queue}; "
        "a pre-flight of this spec makes memory and disk known, and a first run the time"
    )
    if rows is None:
        not_ready = Figure(value=None, source=f"not known: data set {dataset.id} is {dataset.state}")
        every = dict.fromkeys(("seconds", "host_bytes", "device_bytes", "disk_bytes"), not_ready)
        return StepEstimate(cell=ENTRY_OF[cell].json, runs=runs, **every)
    finished = _finished(session, cell, config, queue, ended_before)
    need = _need(session, dataset, name, config, ended_before)
    disk = Figure(value=None, source=unknown)
    if need is not None:
        size = float(need.disk_bytes * runs)
        disk = Figure(value=size, low=0.5 * size, high=size, source="pre-flight: checkpoints and predictions")
    return StepEstimate(
        cell=ENTRY_OF[cell].json,
        runs=runs,
        seconds=seconds_of_run(finished, need, rows=rows, epochs=config.training.epochs, unknown=unknown),
        host_bytes=memory_of_run(finished, need, device=False, unknown=unknown),
        device_bytes=memory_of_run(finished, need, device=True, unknown=unknown),
        disk_bytes=disk,
    )


def _rows(dataset: DatasetRow, split: Split) -> int | None:
    found = ((dataset.summary or {}).get("splits") or {}).get(split.value)
    return None if found is None else int(found["rows"])


def _finished(session: Session, cell: Cell, config: Config, queue: str, ended_before: float) -> list[Trained]:
    rows = DatasetRow.summary["splits"][SPLIT_OF[cell].value]["rows"].as_integer()
    memory = RunRow.result["memory"]
    chosen = (
        select(
            JobRow.spec,
            RunRow.running_s,
            RunRow.result["epochs"].as_integer(),
            # A float: PostgreSQL's integers end at 2 GiB.
            memory["host_bytes"].as_float(),
            memory["device_bytes"].as_float(),
            rows,
        )
        .join(JobRow, RunRow.job_id == JobRow.id)
        .join(DatasetRow, JobRow.dataset_id == DatasetRow.id)
        .where(
            RunRow.cell == cell.value,
            RunRow.state == RunState.SUCCEEDED,
            RunRow.reused_from.is_(None),
            RunRow.running_s.is_not(None),
            RunRow.queue == queue,
            *_ended(ended_before),
        )
        .order_by(RunRow.id.desc())
        .limit(LOOKED_AT)
    )
    alike = _compared(config.model_dump(mode="json"))
    return [
        Trained(
            seconds=seconds,
            rows=count,
            epochs=epochs,
            planned=max(spec["training"]["epochs"], epochs),
            host_bytes=host or 0.0,
            device_bytes=device or 0.0,
        )
        for spec, seconds, epochs, host, device, count in session.execute(chosen)
        if seconds is not None and epochs and count and _compared(spec) == alike
    ]


def _compared(spec: Mapping[str, Any]) -> dict[str, Any]:
    model = {name: value for name, value in (spec.get("model") or {}).items() if name not in CHEAP}
    training = spec.get("training") or {}
    return {"model": model, **{name: training.get(name) for name in COMPARED}}


def _ended(before: float) -> list[ColumnElement[bool]]:
    return [] if math.isinf(before) else [RunRow.finished_at < before]


def _need(
    session: Session, dataset: DatasetRow, name: str, config: Config, ended_before: float
) -> PredictedNeed | None:
    """Return what the newest pre-flight of the same config on the same data has predicted."""
    chosen = (
        select(JobRow.spec, RunRow.result)
        .join(JobRow, RunRow.job_id == JobRow.id)
        .join(DatasetRow, JobRow.dataset_id == DatasetRow.id)
        .where(
            RunRow.cell == Cell.PREFLIGHT.value,
            RunRow.state == RunState.SUCCEEDED,
            DatasetRow.content_hash == dataset.content_hash,
            *_ended(ended_before),
        )
        .order_by(RunRow.id.desc())
        .limit(LOOKED_AT // 10)
    )
    alike = _compared(config.model_dump(mode="json"))
    for spec, result in session.execute(chosen):
        found = ((result or {}).get("needs") or {}).get(name)
        if found is not None and _compared(spec.get(name) or {}) == alike:
            return PredictedNeed.model_validate(found)
    return None
