"""The newest evidence of an experiment: which run of cell 54 has weighed its options last, and what it has left."""

from pathlib import Path

from sqlalchemy.orm import Session

from cellgate.contract.artifacts import VERDICTS_NAME
from cellgate.contract.decision import Stage
from service.api.problems import EvidencePending
from service.api.table_files import TableFile
from service.api.verdict_tables import verdicts_in
from service.domain.pipeline import BASES, Step
from service.store.experiments import get_experiment
from service.store.steps import finished_runs
from service.store.tables import RunRow

STAGES: tuple[tuple[Stage, Step], ...] = (("final", Step.EVIDENCE_FINAL), ("bases", Step.EVIDENCE_BASES))


def newest_evidence(session: Session, experiment_id: str) -> tuple[Stage, RunRow]:
    """Return the run of cell 54 that has finished last, and over what.

    Raises:
        NotFound: There is no such experiment.
        EvidencePending: None has finished yet.
    """
    for stage, step in STAGES:
        for run in finished_runs(session, experiment_id, step).values():
            return stage, run
    state = get_experiment(session, experiment_id).state
    raise EvidencePending(f"cell 54 has not finished yet: experiment {experiment_id} is {state}")


def verdicts_left_by(run: RunRow, artifacts: Path) -> TableFile:
    """Return the verdicts on single functions that a run of cell 54 has left.

    Args:
        run: That has finished.
        artifacts: The artifact root.
    """
    vouched = VERDICTS_NAME in (run.result or {}).get("artifacts", {})
    return verdicts_in(artifacts / str(run.path), run.id, vouched=vouched)


def models_of(session: Session, experiment_id: str) -> dict[tuple[int, int], str]:
    """Return the runs that trained the models of an experiment, by cell and seed."""
    return {
        (int(step.value), seed): run.id
        for step in (*BASES, Step.FUSION)
        for seed, run in finished_runs(session, experiment_id, step).items()
    }
