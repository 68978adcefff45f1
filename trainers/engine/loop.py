"""The training loop, visible: plan, forward, backward, clip, step, evaluate, keep the best, stop early."""

import math
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NoReturn

import numpy as np

from cellgate.contract.artifacts import CHECKPOINT_FOLDER
from cellgate.contract.errors import DataError, DivergenceError, InterruptedRun
from cellgate.contract.events import EventKind
from cellgate.contract.files import sha256_of_json
from cellgate.contract.results import Collapse, LearningRateOutcome
from trainers.engine.checkpoint import (
    TrainingState,
    Weights,
    find_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    weights_of,
)
from trainers.engine.collapse import detect_prediction_collapse, find_non_finite, is_constant
from trainers.engine.context import RunContext
from trainers.engine.dev_score import score_dev
from trainers.engine.gradients import GradientWatch, weight_norms
from trainers.engine.hardware import Hardware
from trainers.engine.inference import infer
from trainers.engine.optimization import (
    Stepper,
    StepReport,
    compile_in_place,
    learning_rate_factor,
    uncompiled,
    undo_compilation,
    warmup_steps,
)
from trainers.engine.outcome import FitOutcome, fatal_collapses, outcome_of
from trainers.engine.planning import TrainingPlan
from trainers.engine.progress import TrainingProgress
from trainers.engine.task import Rows

# Evaluations in a row, from the end of warm-up on: one more epoch showed that the first was no accident.
CONSTANT_EVALUATIONS = 2
# In fewer a small model from scratch is still near to what it began as.
ENOUGH_STEPS = 50
# Below it the gradients do not fit half precision even as they are.
MIN_LOSS_SCALE = 1.0


def fit(
    plan: TrainingPlan,
    *,
    dev_rows: Rows,
    learning_rate: LearningRateOutcome,
    seed: int,
    context: RunContext,
    hardware: Hardware,
) -> FitOutcome:
    """Train a task; leave the weights with the best dev score in its model.

    `score_dev` decides which is best; and a model that has collapsed never beats one that has not.
    The model's device is set here. A checkpoint in `context.resume` is gone on from, exactly.

    Args:
        plan: The task, the rows that fix its weights, and the config.
        dev_rows: Rows that decide on early stopping.
        learning_rate: Peak, of a group whose ratio is 1.
        seed: Decides the order of the batches.
        context: Takes events and checkpoints; checked before each step for a request to stop.
        hardware: Where to train, and in which precision.

    Raises:
        DivergenceError: Loss, gradients or predictions became NaN or Inf.
        CollapseError: The best model predicts nothing useful.
        InterruptedRun: A stop was requested; a checkpoint is saved.
        OutOfMemoryError: Memory ran out after every back-off.
        SpecError: The checkpoint belongs to another run.
    """
    model = plan.task.model.to(hardware.device)
    run = _Fit(plan, dev_rows=dev_rows, learning_rate=learning_rate, seed=seed, context=context, hardware=hardware)
    run.restore()
    if plan.config.compile:
        compile_in_place(model)
    try:
        with context.phase("train"):
            run.train()
    finally:
        undo_compilation(model)
    return run.outcome()


class _Fit:
    """One call of `fit`: its plan, its state and its best weights."""

    def __init__(
        self,
        plan: TrainingPlan,
        *,
        dev_rows: Rows,
        learning_rate: LearningRateOutcome,
        seed: int,
        context: RunContext,
        hardware: Hardware,
    ) -> None:
        self._plan = plan
        self._task = plan.task
        self._config = plan.config
        self._dev_rows = dev_rows
        self._peak = learning_rate.learning_rate
        self._seed = seed
        self._context = context
        self._hardware = hardware
        self._folder = context.out / CHECKPOINT_FOLDER
        planned = sum(len(self._steps(epoch)) for epoch in range(plan.config.epochs))
        self._total = min(planned, plan.config.max_steps or planned)
        self._warmup_steps = warmup_steps(self._total, plan.config.warmup_fraction)
        self._best: Weights | None = None
        self._state = TrainingState(
            fingerprint=self._fingerprint(), learning_rate=learning_rate.model_dump(mode="json")
        )
        self._stepper = Stepper(
            plan.task,
            labels=plan.labels,
            config=plan.config,
            hardware=hardware,
            events=context.events,
            class_weights=plan.class_weights,
        )
        self._gradients = GradientWatch(max_grad_norm=plan.config.max_grad_norm)

    def _steps(self, epoch: int) -> list[list[Rows]]:
        """Return the epoch's optimizer steps, each a list of batches: a function of seed and epoch alone."""
        return self._plan.steps(np.random.default_rng([self._seed, epoch]))

    def _fingerprint(self) -> str:
        return sha256_of_json(
            {
                "training": self._config.model_dump(mode="json"),
                "seed": self._seed,
                "rows": [len(self._plan.rows), len(self._dev_rows)],
                "weights": {name: list(tensor.shape) for name, tensor in self._task.model.state_dict().items()},
            }
        )

    def restore(self) -> None:
        """Go on from the checkpoint that the context names, if there is one."""
        folder = self._context.resume
        if folder is None or folder.resolve() != self._folder.resolve():
            # Of an earlier run into the same folder: nobody may go on from it by mistake.
            shutil.rmtree(self._folder, ignore_errors=True)
        try:
            checkpoint = None if folder is None else find_checkpoint(folder, fingerprint=self._state.fingerprint)
        except DataError as error:
            self._begin_anew(error)
            return
        if checkpoint is None:
            return
        restore_checkpoint(
            checkpoint, model=self._task.model, optimizer=self._stepper.optimizer, hardware=self._hardware
        )
        self._state = checkpoint.state
        self._best = checkpoint.best
        self._stepper.parts = checkpoint.state.parts
        self._context.evaluation.parts = checkpoint.state.evaluation_parts
        self._gradients = GradientWatch.from_json(checkpoint.state.gradients, max_grad_norm=self._config.max_grad_norm)

    def _begin_anew(self, error: DataError) -> None:
        """Report that the checkpoint is damaged, and remove it."""
        self._context.events.write(
            EventKind.WARNING, code="checkpoint_damaged", message=f"{error}; training begins from the start"
        )
        # Else one of the same step would not be written again.
        shutil.rmtree(self._folder, ignore_errors=True)

    def train(self) -> None:
        """Train from where the state stands to the last epoch, or until patience runs out or it has collapsed."""
        state = self._state
        self._gradients.begin(weight_norms(self._task.components))
        progress = TrainingProgress(
            self._context.events, total=self._total, done=state.step, epochs=self._config.epochs
        )
        while not self._is_over():
            self._train_epoch(progress)
            self._evaluate()
            state.epoch += 1
            state.step_in_epoch = 0
            self._checkpoint()
            progress.report(step=state.step, epoch=state.epoch, force=True)

    def _is_over(self) -> bool:
        state = self._state
        # An epoch that was cut off before its evaluation still has that to come, though no step is left.
        if state.step_in_epoch > 0:
            return False
        return (
            state.epoch >= self._config.epochs
            or state.step >= self._total
            or state.epochs_without_gain >= self._config.patience
            or state.constant_evaluations >= CONSTANT_EVALUATIONS
        )

    def _train_epoch(self, progress: TrainingProgress) -> None:
        state = self._state
        self._task.model.train()
        for batches in self._steps(state.epoch)[state.step_in_epoch :]:
            if state.step >= self._total:
                return
            if self._context.stop.is_set():
                self._interrupt()
            rate = self._peak * learning_rate_factor(
                state.step,
                total=self._total,
                warmup_fraction=self._config.warmup_fraction,
                skipped=state.skipped_steps,
            )
            report = self._stepper.step(batches, learning_rate=rate)
            self._update_state(report)
            progress.tell_step(
                report,
                step=state.step,
                epoch=state.epoch,
                learning_rate=rate,
                groups=self._task.groups,
                components=self._task.components,
            )
            if state.step % self._config.checkpoint_every_steps == 0:
                self._checkpoint()

    def _update_state(self, report: StepReport) -> None:
        """Move the state on by one step.

        Raises:
            DivergenceError: Loss or gradients are NaN or Inf, and no scaler will put it right.
        """
        state = self._state
        scaled = self._hardware.accelerator.scaler is not None
        if not math.isfinite(report.loss) or (not scaled and not math.isfinite(report.norms.total)):
            self._report_collapses(find_non_finite(report, step=state.step + 1))
            raise DivergenceError(
                f"step {state.step + 1}: loss {report.loss}, gradient norm {report.norms.total}: training diverged; "
                f"lower the learning rate (peak {self._peak:.2e}) or max_grad_norm, or use fp32"
            )
        state.step += 1
        state.step_in_epoch += 1
        state.skipped_steps += report.skipped
        state.parts = self._stepper.parts
        if report.skipped:
            self._report_skipped(report)
        else:
            self._gradients.note(report.norms, loss=report.loss)

    def _report_skipped(self, report: StepReport) -> None:
        """Report a step that changed no weight.

        Raises:
            DivergenceError: The scaler is at its end: it is not the scale that makes the gradients overflow.
        """
        state = self._state
        overflow = f"step {state.step}: the scaled gradients overflowed, so no weight was changed"
        if report.scale is not None and report.scale < MIN_LOSS_SCALE:
            raise DivergenceError(
                f"{overflow}, and the loss is already scaled by {report.scale:g}: lower the learning rate "
                f"(peak {self._peak:.2e}), or use bf16 or fp32"
            )
        self._context.events.write(
            EventKind.WARNING,
            code="skipped_step",
            message=f"{overflow}; {state.skipped_steps} skipped so far, the loss is now scaled by {report.scale:g}",
        )

    def _evaluate(self) -> None:
        """Score the weights on dev; keep them if they are the best so far.

        Raises:
            DivergenceError: The predictions are NaN or Inf.
        """
        state = self._state
        try:
            with uncompiled() if self._config.compile else nullcontext():
                outputs = infer(self._task, self._dev_rows, hardware=self._hardware, context=self._context)
        except InterruptedRun:
            # The epoch's steps are done and worth keeping: the resumed run evaluates first.
            self._interrupt()
        labels_R = self._plan.labels[self._dev_rows]
        collapses = detect_prediction_collapse(labels_R, outputs.logits_RC, step=state.step)
        collapses += self._gradients.evaluate(weight_norms(self._task.components), step=state.step)
        self._report_collapses(collapses)
        if any(collapse.type == "non_finite" for collapse in collapses):
            raise DivergenceError(
                f"step {state.step}: dev predictions are NaN or Inf; lower the learning rate or use fp32"
            )
        begun = state.step > max(self._warmup_steps, ENOUGH_STEPS)
        constant = begun and is_constant(labels_R, outputs.logits_RC, collapses)
        state.constant_evaluations = state.constant_evaluations + 1 if constant else 0
        dev = score_dev(labels_R, outputs.logits_RC)
        self._context.events.write(EventKind.METRIC, step=state.step, values=dev.values)
        score = [float(not fatal_collapses(collapses)), *dev.order]
        if state.best_score is None or score > state.best_score:
            state.best_score, state.best_epoch, state.epochs_without_gain = score, state.epoch, 0
            state.best_collapses = [collapse.model_dump(mode="json") for collapse in collapses]
            self._best = weights_of(self._task.model)
        else:
            state.epochs_without_gain += 1

    def _report_collapses(self, collapses: Sequence[Collapse]) -> None:
        self._state.collapse_events += len(collapses)
        for collapse in collapses:
            self._context.events.write(EventKind.COLLAPSE, **collapse.model_dump(mode="json"))

    def _checkpoint(self) -> None:
        self._state.last_event = self._context.events.last
        self._state.gradients = self._gradients.to_json()
        self._state.evaluation_parts = self._context.evaluation.parts
        save_checkpoint(
            self._folder,
            state=self._state,
            model=self._task.model,
            best=self._best,
            optimizer=self._stepper.optimizer,
            hardware=self._hardware,
        )
        self._context.events.write(EventKind.CHECKPOINT, step=self._state.step, path=CHECKPOINT_FOLDER)

    def _interrupt(self) -> NoReturn:
        self._checkpoint()
        raise InterruptedRun(
            f"stopped: checkpoint saved at step {self._state.step} of {self._total}; go on with --resume {self._folder}"
        )

    def outcome(self) -> FitOutcome:
        """Put the best weights into the model and return the outcome of training.

        Raises:
            CollapseError: They predict nothing useful.
        """
        outcome = outcome_of(self._state, peak=self._peak, default=self._config.learning_rate.fallback)
        if self._best is not None:
            self._task.model.load_state_dict(self._best)
        return outcome
