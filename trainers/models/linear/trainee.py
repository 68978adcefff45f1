"""A cell's network over the linear model: trained, kept where it ranks no worse, and saved with it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from torch import nn

from cellgate.contract.configs import Split
from cellgate.contract.events import EventKind
from trainers.engine.context import RunContext
from trainers.engine.finish import TruncationMask
from trainers.engine.inference import infer
from trainers.engine.metrics import auroc, margins
from trainers.engine.task import Task
from trainers.engine.train_cell import CellInputs, Trainee
from trainers.models.linear.base import LinearBase, saving_both
from trainers.models.linear.over import TaskOverLinear


def over_linear(
    base: LinearBase | None,
    task: Task,
    *,
    last_layer: nn.Linear,
    inputs: CellInputs,
    context: RunContext,
    save: Callable[[Path], None],
    warnings: Sequence[str] = (),
    cut: TruncationMask | None = None,
) -> Trainee:
    """Return what `train_cell` trains.

    Args:
        base: Null trains the network alone.
        task: With the network.
        last_layer: Makes the network's logits.
        inputs: As `open_inputs` returned them.
        context: Takes warnings.
        save: Writes the network into a folder.
        warnings: For the result, known before training.
        cut: Which functions the network does not see all of.
    """
    if base is None:
        return Trainee(task=task, save=save, warnings=warnings, cut=cut)

    both = TaskOverLinear(task, base.log_odds_F)
    review = partial(_keep_the_better, both, base, last_layer, inputs, context)
    return Trainee(
        task=both,
        save=saving_both(base, save),
        review=review,
        warnings=warnings,
        cut=cut,
        linear_F=base.log_odds_F,
    )


def _keep_the_better(
    task: Task, base: LinearBase, last_layer: nn.Linear, inputs: CellInputs, context: RunContext
) -> list[str]:
    """Silence the network unless it ranks dev at least as well as the linear model alone; return the warning, if so."""
    rows = inputs.dataset.rows(Split.DEV)
    labels_R = inputs.dataset.labels(rows)
    both = auroc(labels_R, margins(infer(task, rows, hardware=inputs.hardware, context=context).logits_RC))
    alone = auroc(labels_R, base.log_odds_F[rows].astype(float))
    if both is None or alone is None or both >= alone:
        return []
    silence(last_layer)
    message = f"the network adds nothing to its linear model (AUROC on dev {both:.4f}, {alone:.4f} without): silenced"
    context.events.write(EventKind.WARNING, code="network_adds_nothing", message=message)
    return [message]


def silence(last_layer: nn.Linear) -> None:
    """Make a network's logits 0, whatever it reads, in place."""
    nn.init.zeros_(last_layer.weight)
    if last_layer.bias is not None:
        nn.init.zeros_(last_layer.bias)
