"""A cell's network beside the linear model: trained alone, then mixed by what suits dev, and saved with it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cellgate.contract.configs import Split
from cellgate.contract.events import EventKind
from trainers.engine.context import RunContext
from trainers.engine.finish import TruncationMask
from trainers.engine.inference import infer
from trainers.engine.metrics import margins
from trainers.engine.task import Task
from trainers.engine.train_cell import CellInputs, Trainee
from trainers.models.linear.base import LinearBase
from trainers.models.linear.mixed import NETWORK_ALONE, MixedTask, best_mix
from trainers.models.linear.saved import LinearPart


def mixed_trainee(
    base: LinearBase | None,
    task: Task,
    *,
    inputs: CellInputs,
    context: RunContext,
    save: Callable[[Path], None],
    warnings: Sequence[str] = (),
    cut: TruncationMask | None = None,
) -> Trainee:
    """Return what `train_cell` trains.

    Args:
        base: Null leaves the network by itself.
        task: With the network.
        inputs: As `open_inputs` returned them.
        context: Takes warnings.
        save: Writes the network into a folder.
        warnings: For the result, known before training.
        cut: Which functions the network does not see all of.
    """
    if base is None:
        return Trainee(task=task, save=save, warnings=warnings, cut=cut)
    both = MixedTask(task, base.log_odds_F)

    def save_both(folder: Path) -> None:
        save(folder)
        if both.mix != NETWORK_ALONE:
            LinearPart(model=base.model, mix=both.mix).save(folder)

    review = partial(_mix, both, base, inputs, context)
    return Trainee(task=both, save=save_both, review=review, warnings=warnings, cut=cut, linear_F=base.log_odds_F)


def _mix(task: MixedTask, base: LinearBase, inputs: CellInputs, context: RunContext) -> list[str]:
    """Fix the weights of both models; return the warning that the network has none, if so."""
    rows = inputs.dataset.rows(Split.DEV)
    network_R = margins(infer(task, rows, hardware=inputs.hardware, context=context).logits_RC)
    task.mix = best_mix(inputs.dataset.labels(rows), network_R, base.log_odds_F[rows].astype(float))
    if task.mix.network > 0:
        return []
    message = "the linear model alone ranks dev better than any mix with the network: the network has no weight"
    context.events.write(EventKind.WARNING, code="network_adds_nothing", message=message)
    return [message]
