"""Rows as responses: one conversion copies the fields, and each resource adds the computed ones. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

from sqlalchemy import Row

from cellgate.contract.api.common import Answer
from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.api.experiments import ExperimentAnswer, ExperimentStatus, ExperimentSummary
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.pipelines import ExperimentWaiting, StepAnswer, StepName, StepRun, StepVerdict
from cellgate.contract.api.runs import Curve, Progress, RunAnswer, RunStatus, WaitingAnswer
from cellgate.contract.cells import ENTRY_OF, Cell, CellName
from cellgate.contract.conclusion import Conclusion
from cellgate.contract.decision import DecisionOutcome
from cellgate.contract.states import RunState, Waiting, job_state
from service.domain.comparison import thinned
from service.domain.curves import epochs_at, is_by_time
from service.domain.progress import JOBS_OF, remaining_s, share_done, step_states
from service.store.dataset_sources import sources_of
from service.store.runs import MetricCurve
from service.store.summaries import ExperimentOverview
from service.store.tables import DatasetRow, ExperimentRow, JobRow, ListedRun, RunRow

Waitings = Mapping[str, Waiting]
GateVerdict = Literal["pending", "pass", "fail"]
_ABSENT = object()
A = TypeVar("A", bound=Answer)
S = TypeVar("S", bound=ExperimentSummary)


def answer(kind: type[A], row: object, **computed: Any) -> A:
    """Return a row as a response: fields that are not given are copied from the column of the same name.

    Args:
        kind: Model of the answer; it turns seconds since the epoch into times, and text into states.
        row: Row, or any value with the same attributes; `job` is the column `job_id`.
        computed: Fields that are no plain copy.
    """
    return kind(**{name: _column(row, name) for name in kind.model_fields if name not in computed}, **computed)


def _column(row: object, name: str) -> Any:
    found = getattr(row, name, _ABSENT)
    if found is _ABSENT:
        return getattr(row, "archived_at", None) is not None if name == "archived" else getattr(row, f"{name}_id")
    return {} if name == "labels" and found is None else found


def cell_name(cell: str) -> CellName:
    """Return the cell as in JSON: its number where it has one."""
    return ENTRY_OF[Cell(cell)].json


def dataset_answer(row: DatasetRow, run_id: str | None) -> DatasetAnswer:
    """Return a data set."""
    sources = sources_of(row)
    changes = (row.summary or {}).get("changes") or {}
    return answer(
        DatasetAnswer,
        row,
        version=row.name_version,
        previous=changes.get("previous"),
        evaluation=row.spec.get("evaluation"),
        source=sources[0] if len(sources) == 1 else sources,
        graphs=row.spec.get("graphs"),
        run=run_id,
    )


def run_answer(row: ListedRun, waiting: Waitings, *, with_result: bool = False) -> RunAnswer:
    """Return a run; with its whole result only where one run is read.

    Args:
        row: The run.
        waiting: Why runs wait, by run id; a run that is absent does not wait.
        with_result: Whether to include the whole result document; lists leave it out.
    """
    waits = waiting.get(row.id)
    return answer(
        RunAnswer,
        row,
        cell=cell_name(row.cell),
        waiting=waits and answer(WaitingAnswer, waits),
        progress=answer(Progress, row),
        result=row.result if with_result else None,
    )


def run_status(row: RunRow | Row[Any]) -> RunStatus:
    """Return where a run is."""
    return answer(RunStatus, row, progress=answer(Progress, row))


def job_answer(row: JobRow, runs: Sequence[ListedRun], waiting: Waitings) -> JobAnswer:
    """Return a job with its runs.

    Args:
        row: The job.
        runs: Its current runs, one per seed; the job's state follows from theirs.
        waiting: Why runs wait, by run id; a run that is absent does not wait.
    """
    return answer(
        JobAnswer,
        row,
        cell=cell_name(row.cell),
        state=job_state(RunState(run.state) for run in runs),
        runs=[run_answer(run, waiting) for run in runs],
    )


def experiment_answer(
    row: ExperimentRow,
    *,
    jobs: Sequence[JobAnswer],
    outcome: DecisionOutcome | None,
    conclusion: Conclusion | None,
    labels: Mapping[str, str],
) -> ExperimentAnswer:
    """Return an experiment with its pipeline.

    Args:
        row: The experiment.
        jobs: In the order of their steps.
        outcome: Of its last decision, or of the person who overruled it.
        conclusion: What came of it; None until it has ended.
        labels: By key.
    """
    return answer(
        ExperimentAnswer,
        row,
        seeds=row.spec["seeds"],
        labels=dict(labels),
        jobs=list(jobs),
        gate_verdict=gate_verdict((row.gate or {}).get("verdict")),
        outcome=outcome,
        conclusion=conclusion,
    )


def experiment_status(row: ExperimentRow, verdict: str | None, conclusion: Conclusion | None) -> ExperimentStatus:
    """Return where an experiment is.

    Args:
        row: The experiment.
        verdict: Of its gate, once that was judged.
        conclusion: What came of it; None until it has ended.
    """
    return answer(ExperimentStatus, row, gate_verdict=gate_verdict(verdict), conclusion=conclusion)


def experiment_summary(found: ExperimentOverview, kind: type[S], **computed: Any) -> S:
    """Return an experiment in a list.

    Args:
        found: The experiment.
        kind: Model of the answer.
        computed: Fields that `kind` has besides.
    """
    conclusion = found.conclusion
    overruled_by = None if conclusion is None else conclusion.overruled_by
    return answer(
        kind,
        found.experiment,
        dataset_name=found.dataset.name,
        gate_verdict=gate_verdict(found.gate_verdict),
        outcome=found.outcome,
        conclusion=conclusion,
        overruled_by=overruled_by,
        computed=None if conclusion is None or overruled_by is None else conclusion.computed.text,
        f1=found.experiment.best,
        gate_f1=found.experiment.spec["policy"]["gate_f1"],
        steps=_steps(found),
        progress=share_done(found.facts),
        eta_s=remaining_s(found.facts),
        waiting=found.waiting and answer(ExperimentWaiting, found.waiting),
        labels=dict(found.labels),
        runs_done=found.runs_done,
        runs_total=found.runs_total,
        **computed,
    )


def _steps(found: ExperimentOverview) -> list[StepAnswer]:
    verdicts: dict[StepName, StepVerdict | None] = {"gate": found.facts.gate, "decision": found.facts.decided}
    return [
        StepAnswer(
            step=step,
            state=state,
            verdict=verdicts.get(step),
            runs=[
                StepRun(id=run.id, seed=run.seed, state=run.state, progress=run.share)
                for run in found.facts.of(*JOBS_OF[step])
            ],
        )
        for step, state in step_states(found.facts).items()
    ]


def gate_verdict(verdict: str | None) -> GateVerdict:
    """Return a frozen gate's verdict; pending while there is none."""
    return cast(GateVerdict, verdict or "pending")


def curve_answer(found: MetricCurve, max_points: int | None, ends: Sequence[tuple[int, float]] | None = None) -> Curve:
    """Return a curve, of at most so many points.

    Args:
        found: The whole curve.
        max_points: None: all.
        ends: Steps at which epochs end, of `epoch_ends`; None where they are not known.
    """
    steps, values = found.steps, found.values
    if max_points is not None:
        steps, values = thinned(steps, values, max_points=max_points)
    at = dict(zip(found.steps, found.times_s, strict=True))
    return Curve(
        key=found.key,
        steps=steps,
        values=values,
        times_s=[at[step] for step in steps],
        epochs=None if ends is None or is_by_time(found.key) else epochs_at(steps, ends),
        points=len(found.steps),
    )
