"""Gather the gate's inputs: rows, and result.json as it lies on disk."""

from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.artifacts import RESULT_NAME
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.gate import GateReport
from cellgate.contract.results import RunResult, read_result
from cellgate.contract.states import RunState
from service.domain.gate.inputs import NAMES, BaseCell, GateInputs, RunFacts
from service.domain.gate.report import evaluate_gate
from service.domain.static_checks import BROKEN_GRAPHS
from service.store.lookup import get_row
from service.store.tables import DatasetRow, ExperimentRow, JobRow, RunRow

# Not a probe: it reads no function, and the gate compares with it in a check of its own.
ALL_POSITIVE = "all_positive"


def gate_report(session: Session, experiment_id: str, artifacts: Path) -> GateReport:
    """Return the gate's report: the stored one, or a preliminary one while 51 and 52 have not ended.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        artifacts: The artifact root.

    Raises:
        NotFound: There is no such experiment.
    """
    experiment = get_row(session, ExperimentRow, experiment_id)
    if experiment.gate is not None:
        return GateReport.model_validate(experiment.gate)
    return build_gate_report(session, experiment, artifacts)


def build_gate_report(session: Session, experiment: ExperimentRow, artifacts: Path) -> GateReport:
    """Return the gate's report, computed from rows and files as they are now.

    Args:
        session: An open transaction.
        experiment: Its row.
        artifacts: The artifact root.
    """
    spec = ExperimentSpec.model_validate(experiment.spec)
    dataset = session.scalars(select(DatasetRow).where(DatasetRow.id == experiment.dataset_id)).one()
    jobs = session.scalars(
        select(JobRow).where(JobRow.experiment_id == experiment.id, JobRow.step.in_([str(cell) for cell in NAMES]))
    ).all()
    counting = select(RunRow).where(RunRow.job_id.in_([job.id for job in jobs]), RunRow.superseded_by.is_(None))
    runs = session.scalars(counting).all()
    summary: dict[str, Any] = dataset.summary or {}
    inputs = GateInputs(
        experiment=experiment.id,
        seeds={_cell(job.cell): tuple(job.seeds) for job in jobs},
        runs=tuple(_facts(run, artifacts) for run in runs),
        dataset_hash=dataset.content_hash,
        bag_of_tokens_f1=summary.get("bag_of_tokens_f1"),
        whole_graphs=_whole_graphs(summary.get("graph_quality", {})),
        probes_f1={probe["name"]: probe["f1"] for probe in summary.get("probes", []) if probe["name"] != ALL_POSITIVE},
    )
    return evaluate_gate(inputs, spec.policy)


def _facts(run: RunRow, artifacts: Path) -> RunFacts:
    state = RunState(run.state)
    result, error = _read(artifacts / run.path / RESULT_NAME) if run.path and state.terminal else (None, None)
    return RunFacts(
        run=run.id,
        cell=_cell(run.cell),
        seed=run.seed,
        state=state,
        exit_code=run.exit_code,
        failure=run.failure_reason,
        result=result,
        result_error=error,
        result_changed=result is not None and _changed(result, run.result),
    )


def _changed(found: RunResult, kept: dict[str, Any] | None) -> bool:
    """Return whether the file differs from the result in the row; values, not spelling, are compared."""
    try:
        return kept is not None and RunResult.model_validate(kept) != found
    except ValueError:
        return True


def _whole_graphs(counts: dict[str, int]) -> float | None:
    total = sum(counts.values())
    return 1 - sum(counts.get(quality, 0) for quality in BROKEN_GRAPHS) / total if total else None


def _read(path: Path) -> tuple[RunResult | None, str | None]:
    try:
        return read_result(path), None
    except FileNotFoundError:
        return None, f"there is no {RESULT_NAME}"
    except (OSError, ValueError) as error:
        return None, f"{RESULT_NAME} is invalid: {' '.join(str(error).split())}"


def _cell(cell: str) -> BaseCell:
    return 51 if cell == "51" else 52
