"""Add seeds to an experiment that has decided: a new experiment repeats it with more of them.

The decision of the first one stays. The seeds that it has trained are equal to those of the new one, so their results
are reused; gate, evidence and decision are made anew, over all seeds.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cellgate.contract.experiment import MAX_SEEDS, ExperimentSpec
from cellgate.contract.states import ExperimentState
from service.domain.errors import Conflict, InvalidSpec, Mistake
from service.domain.pipeline import Step
from service.domain.principals import Owner
from service.store.experiments import create_experiment, get_experiment, labels_of
from service.store.lookup import get_row
from service.store.tables import ExperimentRow, JobRow

CONFIGS = {"transformer": Step.TRANSFORMER, "gnn": Step.GNN, "fusion": Step.FUSION}


def add_seeds(
    session: Session, experiment_id: str, seeds: Sequence[int], *, name: str | None = None, owner: Owner
) -> ExperimentRow:
    """Create an experiment like another one, with these seeds besides its own.

    Its configs are those that the other one has trained with: a job may have been tried again at another rate.

    Args:
        session: An open transaction.
        experiment_id: The experiment; it has decided.
        seeds: To train besides those that it has.
        name: Of the new one; None: that of the other.
        owner: Whom the new one belongs to.

    Raises:
        NotFound: There is no such experiment.
        Conflict: It has not succeeded.
        InvalidSpec: It has some of the seeds, or they would be too many.
    """
    # Locked against deletion until the new one refers to it.
    experiment = get_row(session, ExperimentRow, experiment_id, lock=True)
    if experiment.state != ExperimentState.SUCCEEDED:
        raise Conflict(
            f"experiment {experiment_id} is {experiment.state}: seeds can be added once it has succeeded, "
            "which is when its last decision has been taken"
        )
    spec = ExperimentSpec.model_validate(experiment.spec)
    values = {"seeds": _together(spec.seeds, seeds), "fresh": False, "autopilot": True}
    trained = ExperimentSpec.model_validate({**experiment.spec, **_configs(session, experiment_id), **values})
    made = create_experiment(
        session,
        name=name or experiment.name,
        dataset_id=experiment.dataset_id,
        spec=trained,
        owner=owner,
        labels=labels_of(session, [experiment_id]).get(experiment_id, {}),
    )
    session.execute(
        update(ExperimentRow)
        .where(ExperimentRow.id == made.id)
        .values(extends=experiment_id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(made)
    return get_experiment(session, made.id)


def _together(present: Sequence[int], added: Sequence[int]) -> list[int]:
    if twice := sorted(set(present) & set(added)):
        raise _wrong(f"the experiment has seeds {list(present)}, {twice} among them: name others only")
    if len(present) + len(added) > MAX_SEEDS:
        raise _wrong(f"{len(present)} seeds and {len(added)} more are above the {MAX_SEEDS} that one may have")
    return [*present, *added]


def _wrong(detail: str) -> InvalidSpec:
    return InvalidSpec(detail, mistakes=[Mistake(pointer="/seeds", detail=detail)])


def _configs(session: Session, experiment_id: str) -> dict[str, Any]:
    steps = {step.value: name for name, step in CONFIGS.items()}
    chosen = select(JobRow.step, JobRow.spec).where(JobRow.experiment_id == experiment_id, JobRow.step.in_(steps))
    return {steps[str(step)]: spec for step, spec in session.execute(chosen)}
