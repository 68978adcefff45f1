"""One optimizer step, however many batches it takes: accumulate, unscale once, clip, step."""

# Shapes: B functions in a batch, C classes (2), P parameters.
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from cellgate.contract.configs import TrainingConfig
from cellgate.contract.errors import OutOfMemoryError, is_out_of_memory
from cellgate.contract.events import EventKind, EventWriter
from trainers.engine.checkpoint import generator_states, restore_generators
from trainers.engine.class_balance import EVEN
from trainers.engine.gradients import GradientNorms, Norms, clip_gradients
from trainers.engine.hardware import Hardware
from trainers.engine.memory import release_memory
from trainers.engine.task import ParameterGroup, Rows, Task

MAX_BACKOFFS = 6
# The second moment's memory is 50 steps, not 1,000: these runs take a few hundred, and models from scratch begin to
# learn far later at 0.999. Liu et al. 2019 (RoBERTa), arXiv 1907.11692, section 3.1, for stability too.
BETAS = (0.9, 0.98)
OPTIMIZER = f"adamw {BETAS}"


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What one optimizer step did.

    Args:
        loss: Mean over the step's functions.
        norms: Of the gradients, unscaled, before clipping.
        skipped: A gradient was not finite; no weight and no moment changed.
        scale: What the scaler multiplies losses by from now on, after an overflow; null otherwise.
    """

    loss: float
    norms: Norms
    skipped: bool
    scale: float | None = None


def make_optimizer(groups: Sequence[ParameterGroup], config: TrainingConfig) -> torch.optim.AdamW:
    """Return AdamW over the groups; a group's learning rate is set before each step.

    Source:
        Loshchilov and Hutter 2019, arXiv 1711.05101.
    """
    return torch.optim.AdamW(
        [
            {
                "params": list(group.parameters),
                "lr": 0.0,
                "weight_decay": config.weight_decay if group.weight_decay else 0.0,
            }
            for group in groups
        ],
        betas=BETAS,
        fused=True,
    )


def warmup_steps(total: int, fraction: float) -> int:
    """Return the steps of linear warm-up among all steps of a run."""
    return math.ceil(fraction * total)


def learning_rate_factor(step: int, *, total: int, warmup_fraction: float, skipped: int = 0) -> float:
    """Return the share of the peak learning rate at a step: linear warm-up, then linear decay to 0.

    Warm-up counts the updates, for the moments that it waits for grow only with them; the decay counts all steps,
    so that it ends with the data.

    Args:
        step: Steps already taken, from 0, the skipped ones included.
        total: All steps of the run.
        skipped: Those of them that changed no weight.

    Source:
        Decay to zero: Bergsma et al. 2025 ("Straight to Zero"), arXiv 2502.15938.
    """
    warmup = warmup_steps(total, warmup_fraction)
    risen = min(1.0, (step - skipped + 1) / max(1, warmup))
    left = min(1.0, (total - step) / max(1, total - warmup))
    return max(0.0, min(risen, left))


class Stepper:
    """Takes optimizer steps on a task.

    The effective batch of a step is fixed by the caller. When memory runs out, every batch is computed in twice as
    many parts from then on; parts are weighted by their functions, so that the gradient stays that of the whole.

    Args:
        labels: By row of the data set, 0 or 1.
        events: Gets each back-off; None: back-offs are not reported.
        class_weights: What the loss of a function of each class is multiplied by.
    """

    def __init__(
        self,
        task: Task,
        *,
        labels: npt.NDArray[np.int64],
        config: TrainingConfig,
        hardware: Hardware,
        events: EventWriter | None,
        class_weights: tuple[float, float] = EVEN,
    ) -> None:
        self._task = task
        self._labels = labels
        self._config = config
        self._hardware = hardware
        self._events = events
        self._parameters = [p for group in task.groups for p in group.parameters]
        self._gradients = GradientNorms(self._parameters, task.components)
        self._weight_C = torch.tensor(class_weights, device=hardware.device)
        self.parts = 1
        self.optimizer = hardware.accelerator.prepare_optimizer(make_optimizer(task.groups, config))

    def step(self, batches: Sequence[Rows], *, learning_rate: float) -> StepReport:
        """Take one optimizer step on some batches; a step whose gradient is not finite changes no weight.

        Args:
            learning_rate: Of a group whose ratio is 1.

        Raises:
            OutOfMemoryError: Memory ran out in the smallest parts that there are.
        """
        for group, entry in zip(self._task.groups, self.optimizer.param_groups, strict=True):
            entry["lr"] = learning_rate * group.lr_ratio
        loss = self._accumulate(batches)
        scaler = self._hardware.accelerator.scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer.optimizer)
        total, norms_P = self._gradients.measure()
        clip_gradients(self._parameters, total, self._config.max_grad_norm)
        loss_number, total_number, *norm_numbers = torch.cat([loss.view(1), total.view(1), norms_P]).tolist()
        finite = math.isfinite(total_number)
        if finite and scaler is None:
            # Not through its wrapper, which looks on the disk for another optimizer's package at every step.
            self.optimizer.optimizer.step()
        elif finite:
            self.optimizer.step()
        elif scaler is not None:
            # Not through the optimizer: a fused one leaves the weights alone, but nobody would know that it did.
            scaler.update()
        self._clear_gradients()
        return StepReport(
            loss=loss_number,
            norms=self._gradients.summarise(total_number, norm_numbers),
            skipped=not finite,
            # Asking for it takes a transfer from the device.
            scale=None if scaler is None or finite else float(scaler.get_scale()),
        )

    def _clear_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def _accumulate(self, batches: Sequence[Rows]) -> Tensor:
        generators = generator_states() if is_compiled(self._task.model) else None
        while True:
            try:
                return self._backward(batches)
            except (MemoryError, RuntimeError) as error:
                self._clear_gradients()
                if is_out_of_memory(error):
                    self._back_off(max(len(rows) for rows in batches), error)
                elif generators is not None and isinstance(error, TorchDynamoException):
                    self._do_without_compiler(error)
                    restore_generators(generators)
                else:
                    raise
            # Only now has the error released the memory of the failed batch.
            release_memory(self._hardware.device)

    def _do_without_compiler(self, error: Exception) -> None:
        undo_compilation(self._task.model)
        if self._events is not None:
            reason = str(error).strip().partition("\n")[0]
            self._events.write(
                EventKind.WARNING,
                code="not_compiled",
                message=f"the model cannot be compiled and is trained as it is: {type(error).__name__}: {reason}",
            )

    def _backward(self, batches: Sequence[Rows]) -> Tensor:
        """Add up the gradients of all parts; return the mean loss, a scalar on the device."""
        functions = sum(len(rows) for rows in batches)
        scaler = self._hardware.accelerator.scaler
        losses = []
        for rows in batches:
            for part in np.array_split(rows, min(self.parts, len(rows))) if self.parts > 1 else [rows]:
                loss = self._loss(part) / functions
                scaled = loss if scaler is None else scaler.scale(loss)
                scaled.backward()
                losses.append(loss.detach().float())
        return torch.stack(losses).sum()

    def _loss(self, rows: Rows) -> Tensor:
        """Return the weighted sum over some functions: it adds up over parts, as a weighted mean would not."""
        device = self._hardware.device
        batch = self._task.load_batch(rows).to(device)
        label_B = torch.from_numpy(self._labels[rows]).to(device)
        with self._hardware.accelerator.autocast():
            logits_BC = self._task.predict(batch).logits_BC
        smoothing = self._config.label_smoothing
        loss_B = F.cross_entropy(logits_BC.float(), label_B, label_smoothing=smoothing, reduction="none")
        return torch.dot(loss_B, self._weight_C[label_B])

    def _back_off(self, largest: int, error: BaseException) -> None:
        if self.parts >= min(largest, 2**MAX_BACKOFFS):
            raise OutOfMemoryError(
                f"memory ran out although every batch was computed in {self.parts} parts: "
                "lower max_tokens or the model's size, or train on a larger machine"
            ) from error
        self.parts *= 2
        if self._events is not None:
            self._events.write(
                EventKind.BACKOFF,
                batch_size=max(1, self._config.batch_size // self.parts),
                accumulation=self._config.accumulation * self.parts,
            )


def compile_in_place(model: nn.Module) -> None:
    """Have the model compiled when it is first called, for batches of any size; its weights keep their names."""
    model.compile(dynamic=True)


def is_compiled(model: nn.Module) -> bool:
    """Whether a call of the model goes through the compiler."""
    return model._compiled_call_impl is not None


def undo_compilation(model: nn.Module) -> None:
    """Have the model called as it is from now on."""
    # The library has no way back of its own.
    model._compiled_call_impl = None


@contextmanager
def uncompiled() -> Iterator[None]:
    """Call models as they are: evaluation would be compiled a second time, and is the same for every run without."""
    with torch.compiler.set_stance("force_eager"):
        yield
