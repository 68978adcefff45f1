"""One real batch of a model through every stage of training: load, forward, backward, clip, step, evaluate, resume."""

# Shapes: B functions in the batch.
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from cellgate.contract.artifacts import CHECKPOINT_FOLDER, MODEL_FOLDER
from cellgate.contract.configs import TrainingConfig
from trainers.engine.checkpoint import (
    TrainingState,
    Weights,
    load_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    weights_of,
)
from trainers.engine.context import RunContext
from trainers.engine.gradients import GradientNorms, clip_gradients
from trainers.engine.hardware import Hardware
from trainers.engine.inference import Outputs, infer
from trainers.engine.optimization import Stepper
from trainers.engine.task import Rows, Task
from trainers.preflight.checks import CheckCollector

# Small enough to do no harm, large enough to change float32 weights.
SMOKE_TEST_RATE = 1e-4
SAMPLE_ROWS = 64
# Enough for a forward pass of its own beside the step on the whole batch.
FEW_ROWS = 4
CLIP_SLACK = 1.001
SAME_OUTPUT = 1e-4
# Kernels on a GPU add in no fixed order.
SAME_ON_GPU = 1e-5
Cost = Callable[[Rows], int]
Reload = Callable[[Path], Task]


class Stages:
    """Takes a task through its stages; a failed stage is a failed check, and stages that do not need it go on.

    Args:
        name: Of the cell, for the checks' names.
        train_rows: Rows whose worst batch is tried.
        dev_rows: Rows that are evaluated.
        labels: By row of the data set, 0 or 1.
        cost: Grows with the memory that a batch takes.
        scratch: A folder that is thrown away.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        train_rows: Rows,
        dev_rows: Rows,
        labels: npt.NDArray[np.int64],
        config: TrainingConfig,
        cost: Cost,
        context: RunContext,
        hardware: Hardware,
        scratch: Path,
    ) -> None:
        self.checks = CheckCollector(name)
        self._task = task
        self._train_rows = train_rows
        self._dev_rows = dev_rows
        self._labels = labels
        self._config = config
        self._cost = cost
        self._context = context
        self._hardware = hardware
        self._scratch = scratch
        self._stepper: Stepper | None = None
        self._batch: Rows = train_rows[:0]
        self._loaded: Any = None
        self._loss: Tensor | None = None
        self._outputs: Outputs | None = None
        self._batches = 0
        self.step_s: float | None = None

    @property
    def steps(self) -> int | None:
        """Optimizer steps of the whole training, without early stopping; None when no batch was planned."""
        if not self._batches:
            return None
        steps = self._config.epochs * math.ceil(self._batches / self._config.accumulation)
        return steps if self._config.max_steps is None else min(steps, self._config.max_steps)

    @property
    def embedding_width(self) -> int:
        """Width of the pooled embeddings; 0 when evaluation failed."""
        return 0 if self._outputs is None else self._outputs.embeddings_RD.shape[1]

    def train(self) -> None:
        """Try everything that a training run does, up to going on from a checkpoint."""
        checks = self.checks
        checks.guard("load", self._load)
        checks.guard("forward", self._forward, needs=["load"])
        checks.guard("backward", self._backward, needs=["forward"])
        checks.guard("clip", self._clip, needs=["backward"])
        self._loaded = self._loss = None
        checks.guard("step", self._step, needs=["clip"])
        checks.guard("gradients", self._gradients, needs=["step"])
        checks.guard("evaluate", self._evaluate, needs=["load"])
        checks.guard("resume", self._resume, needs=["step"])

    def save(self, reload: Reload) -> None:
        """Check that a save/load round trip does not change the model's outputs.

        Args:
            reload: Saves the model into a folder and returns a task around what loads from it.
        """
        self.checks.guard("save", lambda: self._save(reload), needs=["evaluate"])

    def _load(self) -> None:
        self._task.model.to(self._hardware.device)
        epoch = self._task.plan_epoch(self._train_rows, np.random.default_rng(0))
        planned = np.concatenate(epoch)
        self._batches = len(epoch)
        missing = len(np.setdiff1d(self._train_rows, planned))
        self._batch = max(epoch, key=self._cost)
        self._loaded = self._task.load_batch(self._batch[:FEW_ROWS]).to(self._hardware.device)
        detail = f"the worst of {len(epoch)} batches has {len(self._batch)} functions"
        if missing:
            detail += f"; {missing} functions of train are in none"
        self.checks.add("load", "fail" if missing else "pass", detail, fix="report it with the spec")

    def _forward(self) -> None:
        self._task.model.train()
        with self._hardware.accelerator.autocast():
            prediction = self._task.predict(self._loaded)
        logits_BC, rows = prediction.logits_BC.float(), self._batch[:FEW_ROWS]
        finite = bool(torch.isfinite(logits_BC).all())
        fits = tuple(logits_BC.shape) == (len(rows), 2) and len(prediction.embedding_BD) == len(rows)
        detail = f"logits of shape {tuple(logits_BC.shape)}, embeddings of shape {tuple(prediction.embedding_BD.shape)}"
        detail += "" if finite else ": NaN or Inf among the logits"
        self.checks.add("forward", "pass" if finite and fits else "fail", detail, fix="use fp32, or another model")
        if fits:
            label_B = torch.from_numpy(self._labels[rows]).to(self._hardware.device)
            self._loss = F.cross_entropy(logits_BC, label_B)

    def _backward(self) -> None:
        if self._loss is None:
            raise RuntimeError("the forward pass gave no loss")
        self._loss.backward()  # type: ignore[no-untyped-call]
        bad = [
            name
            for name, parameter in self._task.model.named_parameters()
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all()
        ]
        detail = f"NaN or Inf in the gradient of {', '.join(bad[:3])}" if bad else "every gradient is finite"
        self.checks.add("backward", "fail" if bad else "pass", detail, fix="use fp32, or a smaller model")

    def _clip(self) -> None:
        parameters = [parameter for group in self._task.groups for parameter in group.parameters]
        norms = GradientNorms(parameters, self._task.components)
        before, _ = norms.measure()
        clip_gradients(parameters, before, self._config.max_grad_norm)
        after, _ = norms.measure()
        within = bool(torch.isfinite(before)) and float(after) <= CLIP_SLACK * self._config.max_grad_norm
        detail = (
            f"gradient norm {float(before):.3g}, after clipping to {self._config.max_grad_norm:g} {float(after):.3g}"
        )
        self.checks.add("clip", "pass" if within else "fail", detail, fix="use fp32, or a smaller model")

    def _step(self) -> None:
        before = weights_of(self._task.model)
        self._stepper = stepper = Stepper(
            self._task, labels=self._labels, config=self._config, hardware=self._hardware, events=self._context.events
        )
        stepper.optimizer.zero_grad()
        report = stepper.step([self._batch] * self._config.accumulation, learning_rate=SMOKE_TEST_RATE)
        after = weights_of(self._task.model)
        moved = any(not torch.equal(before[name], after[name]) for name in before)
        finite = np.isfinite(report.loss) and all(bool(torch.isfinite(tensor).all()) for tensor in after.values())
        detail = f"loss {report.loss:.4f} on {len(self._batch)} functions, gradient norm {report.norms.total:.3g}"
        if stepper.parts > 1:
            detail += f"; memory ran out until the batch was computed in {stepper.parts} parts"
        if not (finite and (moved or report.skipped)):
            reason = ": the weights did not change" if finite else ": NaN or Inf"
            self.checks.add("step", "fail", detail + reason, fix="use fp32, or another model")
        else:
            fix = "lower batch_size and raise accumulation"
            self.checks.add("step", "pass" if stepper.parts == 1 else "warn", detail, fix=fix)

    def _gradients(self) -> None:
        """Look at a second step: what begins at zero lets no gradient through in the first.

        The whole batch again: only now does the optimizer hold its moments beside the activations.
        """
        begun = time.monotonic()
        # Its report is read from the device, so that the step has ended.
        report = self._trained.step([self._batch], learning_rate=SMOKE_TEST_RATE)
        self.step_s = self._config.accumulation * (time.monotonic() - begun)
        norms = report.norms.components
        dead = [component for component, norm in norms.items() if norm == 0]
        detail = f"no gradient reaches {', '.join(dead)}" if dead else f"gradients reach {', '.join(norms)}"
        self.checks.add(
            "gradients", "fail" if dead else "pass", detail, fix="this part would never learn: check the model"
        )

    @property
    def _trained(self) -> Stepper:
        if self._stepper is None:
            raise RuntimeError("no step was taken")
        return self._stepper

    def _evaluate(self) -> None:
        worst = max(self._task.plan_evaluation(self._dev_rows), key=self._cost)
        infer(self._task, worst, hardware=self._hardware, context=self._context)
        self._outputs = outputs = self._infer(self._task)
        finite = bool(np.isfinite(outputs.logits_RC).all() and np.isfinite(outputs.embeddings_RD).all())
        detail = f"{len(worst)} dev functions at once, embeddings of width {self.embedding_width}"
        detail += "" if finite else ": NaN or Inf among the outputs"
        self.checks.add("evaluate", "pass" if finite else "fail", detail, fix="use fp32, or another model")

    def _infer(self, task: Task) -> Outputs:
        return infer(task, self._dev_rows[:SAMPLE_ROWS], hardware=self._hardware, context=self._context)

    def _resume(self) -> None:
        """Take a step twice from the same checkpoint: both must end at the same weights."""
        task, stepper, few = self._task, self._trained, self._batch[:FEW_ROWS]
        folder = self._scratch / CHECKPOINT_FOLDER
        task.model.train()
        save_checkpoint(
            folder,
            state=TrainingState(fingerprint="smoke test", learning_rate={}),
            model=task.model,
            best=weights_of(task.model),
            optimizer=stepper.optimizer,
            hardware=self._hardware,
        )
        stepper.step([few], learning_rate=SMOKE_TEST_RATE)
        first = weights_of(task.model)
        restore_checkpoint(
            load_checkpoint(folder, fingerprint="smoke test"),
            model=task.model,
            optimizer=stepper.optimizer,
            hardware=self._hardware,
        )
        stepper.step([few], learning_rate=SMOKE_TEST_RATE)
        tolerance = 0.0 if self._hardware.device.type == "cpu" else SAME_ON_GPU
        different = _different(first, weights_of(task.model), tolerance=tolerance)
        what = "weights after going on from a checkpoint"
        detail = f"{what}: {len(different)} of {len(first)} differ" if different else f"{what} are the same"
        fix = f"report it with the spec: the first is {different[0]}" if different else ""
        self.checks.add("resume", "fail" if different else "pass", detail, fix=fix)

    def _save(self, reload: Reload) -> None:
        before = self._infer(self._task)
        reloaded = reload(self._scratch / MODEL_FOLDER)
        reloaded.model.to(self._hardware.device)
        after = self._infer(reloaded)
        pairs = ((before.logits_RC, after.logits_RC), (before.embeddings_RD, after.embeddings_RD))
        tolerance = SAME_OUTPUT if self._hardware.device.type == "cpu" else 100 * SAME_OUTPUT
        same = all(np.allclose(one, two, rtol=tolerance, atol=tolerance) for one, two in pairs)
        detail = "the saved model, loaded again, has " + ("the same outputs" if same else "other outputs")
        self.checks.add("save", "pass" if same else "fail", detail, fix="report it with the spec")


def _different(before: Weights, after: Weights, *, tolerance: float) -> Sequence[str]:
    return [
        name
        for name, tensor in before.items()
        if name not in after or not torch.allclose(tensor, after[name], rtol=tolerance, atol=tolerance)
    ]
