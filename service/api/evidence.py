"""The newest evidence of an experiment: which run of cell 54 has weighed its options last."""

from sqlalchemy.orm import Session

from cellgate.contract.decision import Stage
from service.api.problems import EvidencePending
from service.domain.pipeline import Step
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
