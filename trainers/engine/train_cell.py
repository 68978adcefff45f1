"""The steps that cells 51, 52 and 53 share: find a learning rate, train, save the model, predict, write the result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.artifacts import MODEL_FOLDER
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.results import RunResult
from cellgate.contract.specs import TrainedSpec
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.finish import TruncationMask, finish
from trainers.engine.hardware import Hardware, set_up_hardware
from trainers.engine.loop import fit
from trainers.engine.lr_choice import choose_learning_rate
from trainers.engine.planning import TrainingPlan
from trainers.engine.task import Task


@dataclass(frozen=True, kw_only=True)
class CellInputs:
    """What every cell opens first."""

    dataset: Dataset
    hardware: Hardware


def open_inputs(spec: TrainedSpec) -> CellInputs:
    """Return the data set and the hardware that a spec names; every random generator is seeded.

    Raises:
        DataError: The data set is missing or damaged, or is for evaluation only.
        SpecError: This machine lacks the device or the precision.
    """
    dataset = Dataset.open(spec.dataset)
    _refuse_evaluation_only(dataset, spec)
    hardware = set_up_hardware(
        device=spec.device,
        precision=spec.training.precision,
        threads=spec.threads,
        seed=spec.seed,
        deterministic=spec.training.deterministic,
    )
    return CellInputs(dataset=dataset, hardware=hardware)


def _refuse_evaluation_only(dataset: Dataset, spec: TrainedSpec) -> None:
    if not len(dataset.rows(Split.TRAIN)):
        problem = InputError(
            where="/dataset",
            found=f"{spec.dataset}, which has no function in train",
            expected="a data set with splits to train on",
            fix="name another one, or prepare the file without `evaluation`",
        )
        raise DataError("a data set for evaluation only cannot be trained on", [problem])


def no_review() -> Sequence[str]:
    """Leave the trained model as it is."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Trainee:
    """A cell's model, ready to be trained, with the parts that differ between cells.

    Args:
        task: The model and its data, as the engine sees them.
        save: Writes the trained model into a folder.
        train_split: The split that fixes the weights.
        rate_inputs: Hashes of the files that the model learns from besides the data set.
        review: Called once after training; may change the model, and returns warnings for the result.
        warnings: For the result, known before training.
        cut: Which functions the model does not see all of; null where it sees all.
        linear_F: Log-odds of the linear model that the network is mixed with, of every function, float32; null
            where there is none.
    """

    task: Task
    save: Callable[[Path], None]
    train_split: Split = Split.TRAIN
    rate_inputs: Sequence[str] = ()
    review: Callable[[], Sequence[str]] = no_review
    warnings: Sequence[str] = ()
    cut: TruncationMask | None = None
    linear_F: NDArray[np.float32] | None = None


def train_cell(trainee: Trainee, inputs: CellInputs, *, spec: TrainedSpec, context: RunContext) -> RunResult:
    """Train one seed, and leave its model, predictions and result in the output folder.

    Args:
        trainee: The model to train.
        inputs: The data set and the hardware, as `open_inputs` returned them.
        spec: With config and seed.
        context: Takes events and files; a checkpoint that it names is gone on from.

    Raises:
        TrainerError: One of its subclasses; each names its cause.
    """
    dataset, hardware = inputs.dataset, inputs.hardware
    every_row = np.arange(len(dataset))
    plan = TrainingPlan(
        task=trainee.task,
        rows=dataset.rows(trainee.train_split),
        labels=dataset.labels(every_row),
        config=spec.training,
        pairs=dataset.pairs(every_row),
    )
    learning_rate = choose_learning_rate(
        plan,
        spec=spec,
        dataset_id=dataset.id,
        context=context,
        hardware=hardware,
        inputs=trainee.rate_inputs,
    )
    outcome = fit(
        plan,
        dev_rows=dataset.rows(Split.DEV),
        learning_rate=learning_rate,
        seed=spec.seed,
        context=context,
        hardware=hardware,
    )
    warnings = [*trainee.warnings, *trainee.review()]
    with context.phase("save"):
        trainee.save(context.out / MODEL_FOLDER)
    return finish(
        trainee.task,
        dataset=dataset,
        spec=spec,
        outcome=outcome,
        learning_rate=learning_rate,
        context=context,
        hardware=hardware,
        warnings=warnings,
        cut=trainee.cut,
        linear_F=trainee.linear_F,
    )
