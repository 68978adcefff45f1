"""Rows as answers. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast

from cellgate.contract.api.common import CellName
from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.api.experiments import ExperimentAnswer, ExperimentStatus, ExperimentSummary
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import Curve, EventAnswer, Progress, RunAnswer, RunStatus, WaitingAnswer
from cellgate.contract.cells import Cell
from cellgate.contract.decision import DecisionOutcome
from cellgate.contract.states import DatasetState, ExperimentState, FailureReason, RunState, job_state
from cellgate.contract.waiting import Waiting
from service.domain.curves import thinned
from service.store.experiments import ExperimentOverview
from service.store.runs import MetricCurve
from service.store.tables import DatasetRow, EventRow, ExperimentRow, JobRow, RunRow

Waitings = Mapping[str, Waiting]
GateVerdict = Literal["pending", "pass", "fail"]


def when(seconds: float) -> datetime:
    """Return seconds since the epoch as a time."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def when_or_none(seconds: float | None) -> datetime | None:
    """Return seconds since the epoch as a time, if any."""
    return None if seconds is None else when(seconds)


def cell_name(cell: str) -> CellName:
    """Return the cell as in JSON: its number where it has one."""
    return cast(CellName, int(cell) if cell.isdigit() else Cell(cell).value)


def dataset_answer(row: DatasetRow, run_id: str | None) -> DatasetAnswer:
    """Return a data set."""
    return DatasetAnswer(
        id=row.id,
        name=row.name,
        state=DatasetState(row.state),
        source=row.source,
        graphs=row.spec.get("graphs"),
        content_hash=row.content_hash,
        summary=row.summary,
        failure_detail=row.failure_detail,
        run=run_id,
        created_at=when(row.created_at),
    )


def run_answer(row: RunRow, waiting: Waitings, *, with_result: bool = False) -> RunAnswer:
    """Return a run; with its whole result only where one run is asked for."""
    waits = waiting.get(row.id)
    return RunAnswer(
        id=row.id,
        job=row.job_id,
        experiment=row.experiment_id,
        cell=cell_name(row.cell),
        seed=row.seed,
        state=RunState(row.state),
        waiting=waits and WaitingAnswer(reason=waits.reason, detail=waits.detail, ahead=waits.ahead),
        attempt=row.attempt,
        superseded_by=row.superseded_by,
        worker=row.worker,
        queue=row.queue,
        progress=progress(row),
        f1=gate_f1(row.result),
        exit_code=row.exit_code,
        failure_reason=None if row.failure_reason is None else FailureReason(row.failure_reason),
        failure_detail=row.failure_detail,
        result=row.result if with_result else None,
        created_at=when(row.created_at),
        started_at=when_or_none(row.started_at),
        finished_at=when_or_none(row.finished_at),
    )


def progress(row: RunRow) -> Progress:
    """Return how far a run is."""
    return Progress(
        phase=row.phase,
        steps_done=row.steps_done,
        steps_total=row.steps_total,
        epoch=row.epoch,
        epochs=row.epochs,
        eta_s=row.eta_s,
    )


def run_status(row: RunRow) -> RunStatus:
    """Return where a run is."""
    return RunStatus(
        id=row.id,
        state=RunState(row.state),
        attempt=row.attempt,
        progress=progress(row),
        failure_reason=None if row.failure_reason is None else FailureReason(row.failure_reason),
        finished_at=when_or_none(row.finished_at),
    )


def experiment_status(row: ExperimentRow, verdict: str | None) -> ExperimentStatus:
    """Return where an experiment is.

    Args:
        verdict: Of its gate, once that was judged.
    """
    return ExperimentStatus(
        id=row.id,
        state=ExperimentState(row.state),
        gate_verdict=gate_verdict(verdict),
        failure_detail=row.failure_detail,
        finished_at=when_or_none(row.finished_at),
    )


def gate_f1(result: Mapping[str, Any] | None) -> float | None:
    """Return a result's F1 on the gate split."""
    found = ((result or {}).get("metrics") or {}).get("gate", {}).get("f1")
    return None if found is None else float(found)


def job_answer(row: JobRow, runs: Sequence[RunRow], waiting: Waitings) -> JobAnswer:
    """Return a job with its runs."""
    return JobAnswer(
        id=row.id,
        experiment=row.experiment_id,
        dataset=row.dataset_id,
        step=row.step,
        cell=cell_name(row.cell),
        state=job_state(RunState(run.state) for run in runs),
        seeds=[int(seed) for seed in row.seeds],
        spec=row.spec,
        priority=row.priority,
        queue=row.queue,
        queue_timeout_s=row.queue_timeout_s,
        timeout_s=row.timeout_s,
        runs=[run_answer(run, waiting) for run in runs],
        created_at=when(row.created_at),
    )


def experiment_answer(
    row: ExperimentRow,
    jobs: Sequence[JobRow],
    runs: Mapping[str, Sequence[RunRow]],
    waiting: Waitings,
    outcome: DecisionOutcome | None,
    labels: Mapping[str, str],
) -> ExperimentAnswer:
    """Return an experiment with its pipeline."""
    return ExperimentAnswer(
        id=row.id,
        name=row.name,
        dataset=row.dataset_id,
        state=ExperimentState(row.state),
        autopilot=row.autopilot,
        seeds=[int(seed) for seed in row.spec["seeds"]],
        labels=dict(labels),
        spec=row.spec,
        jobs=[job_answer(job, runs[job.id], waiting) for job in jobs],
        gate_verdict=gate_verdict((row.gate or {}).get("verdict")),
        outcome=outcome,
        failure_detail=row.failure_detail,
        created_at=when(row.created_at),
        finished_at=when_or_none(row.finished_at),
    )


def gate_verdict(verdict: str | None) -> GateVerdict:
    """Return a frozen gate's verdict; pending while there is none."""
    return cast(GateVerdict, verdict or "pending")


def experiment_summary(found: ExperimentOverview) -> ExperimentSummary:
    """Return an experiment in a list."""
    row = found.experiment
    return ExperimentSummary(
        id=row.id,
        name=row.name,
        dataset=row.dataset_id,
        state=ExperimentState(row.state),
        gate_verdict=gate_verdict(found.gate_verdict),
        outcome=cast(DecisionOutcome | None, found.outcome),
        labels=dict(found.labels),
        runs_done=found.runs_done,
        runs_total=found.runs_total,
        created_at=when(row.created_at),
        finished_at=when_or_none(row.finished_at),
    )


def curve_answer(found: MetricCurve, max_points: int | None) -> Curve:
    """Return a curve, of at most so many points."""
    steps, values = found.steps, found.values
    if max_points is not None:
        steps, values = thinned(steps, values, max_points=max_points)
    return Curve(key=found.key, steps=steps, values=values, points=len(found.steps))


def event_answer(row: EventRow) -> EventAnswer:
    """Return an event."""
    return EventAnswer(id=row.id, run=row.run_id, attempt=row.attempt, kind=row.kind, at=when(row.at), body=row.body)
