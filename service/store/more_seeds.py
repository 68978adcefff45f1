"""Add seeds to an experiment that has decided: a new experiment repeats it with more of them.

The decision of the first one stays. The seeds that it has trained are equal to those of the new one, so their results
are reused; gate, evidence and decision are made anew, over all seeds.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from cellgate.contract.experiment import MAX_SEEDS, ExperimentSpec
from cellgate.contract.states import ExperimentState
from service.domain.errors import Conflict, InvalidSpec, Mistake
from service.domain.principals import Owner
from service.store.experiments import get_experiment
from service.store.extensions import extend
from service.store.lookup import get_row
from service.store.pipeline import start_first_steps
from service.store.tables import ExperimentRow


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
    seeds = _together(ExperimentSpec.model_validate(experiment.spec).seeds, seeds)
    made = extend(session, experiment, seeds, name=name, owner=owner)
    start_first_steps(session, made)
    return get_experiment(session, made.id)


def _together(present: Sequence[int], added: Sequence[int]) -> list[int]:
    if twice := sorted(set(present) & set(added)):
        raise _wrong(f"the experiment has seeds {list(present)}, {twice} among them: name others only")
    if len(present) + len(added) > MAX_SEEDS:
        raise _wrong(f"{len(present)} seeds and {len(added)} more are above the {MAX_SEEDS} that one may have")
    return [*present, *added]


def _wrong(detail: str) -> InvalidSpec:
    return InvalidSpec(detail, mistakes=[Mistake(pointer="/seeds", detail=detail)])
