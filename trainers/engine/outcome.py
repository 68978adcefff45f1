"""The outcome of training, and which collapses make a model useless."""

from collections.abc import Sequence
from dataclasses import dataclass

from cellgate.contract.errors import CollapseError, InputError
from cellgate.contract.results import Collapse
from trainers.engine.checkpoint import TrainingState

# A component that gets no gradient is on record, but the model may do without it; these make it useless.
FATAL_COLLAPSES = frozenset({"single_class", "constant_logits", "non_finite", "zero_f1", "prior_entropy"})


@dataclass(frozen=True, kw_only=True)
class FitOutcome:
    """The outcome of training; the best epoch's weights are in the task's model.

    Args:
        best_epoch: From 0.
        epochs: That were begun.
        steps: Optimizer steps, the skipped ones included.
        skipped_steps: Those that a scaler overflow skipped.
        collapses: That the best epoch's model still shows.
        collapse_events: That all epochs showed.
    """

    best_epoch: int
    epochs: int
    steps: int
    skipped_steps: int
    collapses: tuple[Collapse, ...]
    collapse_events: int


# Of a rate at which training collapsed, the one to try next.
NEXT_SHARE = 1 / 3


def outcome_of(state: TrainingState, *, peak: float, default: float) -> FitOutcome:
    """Return the outcome of a finished training.

    Args:
        state: At its end.
        peak: The peak learning rate.
        default: The config's, to try next after a far lower one.

    Raises:
        CollapseError: The best model predicts nothing useful.
    """
    collapses = tuple(Collapse.model_validate(collapse) for collapse in state.best_collapses)
    fatal = fatal_collapses(collapses)
    if fatal:
        rate = next_rate(peak, default=default)
        raise CollapseError(
            f"the best of {state.epoch} epochs predicts nothing useful at a peak learning rate of {peak:.2g}: "
            f"set training.learning_rate.value to {rate:.2g} (`cellgate retry ID --rate {rate:.2g}`), or check the "
            "labels",
            [
                InputError(where=collapse.component, found=f"{collapse.type}: {collapse.detail}", expected="none")
                for collapse in fatal
            ],
        )
    return FitOutcome(
        best_epoch=state.best_epoch,
        epochs=state.epoch,
        steps=state.step,
        skipped_steps=state.skipped_steps,
        collapses=collapses,
        collapse_events=state.collapse_events,
    )


def next_rate(peak: float, *, default: float) -> float:
    """Return the rate to try after a collapse: a third, or the default after a rate that is far below it."""
    return default if peak < NEXT_SHARE * default else NEXT_SHARE * peak


def fatal_collapses(collapses: Sequence[Collapse]) -> list[Collapse]:
    return [collapse for collapse in collapses if collapse.type in FATAL_COLLAPSES]
