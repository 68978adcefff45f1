"""One real batch of a model through every stage of training: forward to exact resume."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from trainers.data.dataset import Dataset
from trainers.engine.checkpoint import (
    TrainingState,
    load_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    weights_of,
)
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.inference import infer
from trainers.engine.optimization import Stepper, StepReport
from trainers.engine.task import Rows, Task
from trainers.gnn.model import GatedGraphNetwork, GraphSizes
from trainers.gnn.saving import load_gnn, save_gnn
from trainers.gnn.train import GraphTask
from trainers.results import Check
from trainers.specs import GnnSpec, Split, TrainingConfig, TransformerModel, TransformerSpec
from trainers.transformer.pretrained import load_pretrained_model
from trainers.transformer.train import build_task, prepare_text, quieten_library, save_model

# Small enough to do no harm, large enough to change float32 weights.
TRIAL_RATE = 1e-4
TRIAL_ROWS = 64
MANY_TRUNCATED = 0.2
Reload = Callable[[Path], nn.Module]


def try_transformer(spec: TransformerSpec, dataset: Dataset, context: RunContext, hardware: Hardware) -> list[Check]:
    """Return the checks of cell 51 on one real batch."""
    quieten_library()
    with tempfile.TemporaryDirectory(dir=context.out, prefix=".trial.") as scratch:
        text = prepare_text(spec.model, dataset, cache=Path(scratch))
        share = text.tokens.truncated / len(dataset)
        many = share > MANY_TRUNCATED
        truncation = Check(
            name="transformer_truncation",
            verdict="warn" if many else "pass",
            detail=f"{share:.1%} of the functions have more than {text.max_tokens} tokens and lose their middle",
            fix="raise max_tokens" if many else "",
        )
        task = build_task(spec, dataset, text)

        def reload(folder: Path) -> nn.Module:
            save_model(task.model, text.tokenizer, folder)
            saved = TransformerModel(checkpoint=str(folder))
            reloaded: nn.Module = load_pretrained_model(saved, pad_token_id=text.tokenizer.pad_token_id)
            return reloaded

        stages = try_stages(
            "transformer",
            task,
            dataset=dataset,
            config=spec.training,
            context=context,
            hardware=hardware,
            reload=reload,
            scratch=Path(scratch),
        )
    return [truncation, *stages]


def try_gnn(spec: GnnSpec, dataset: Dataset, context: RunContext, hardware: Hardware) -> list[Check]:
    """Return the checks of cell 52 on one real batch."""
    model = GatedGraphNetwork(spec.model, GraphSizes.of(dataset.vocab))

    def reload(folder: Path) -> nn.Module:
        save_gnn(folder, model, config=spec.model, vocabulary=dataset.vocab)
        reloaded: nn.Module = load_gnn(folder)
        return reloaded

    with tempfile.TemporaryDirectory(dir=context.out, prefix=".trial.") as scratch:
        return try_stages(
            "gnn",
            GraphTask(model, dataset, spec.training),
            dataset=dataset,
            config=spec.training,
            context=context,
            hardware=hardware,
            reload=reload,
            scratch=Path(scratch),
        )


def try_stages(
    name: str,
    task: Task,
    *,
    dataset: Dataset,
    config: TrainingConfig,
    context: RunContext,
    hardware: Hardware,
    reload: Reload,
    scratch: Path,
) -> list[Check]:
    """Take a task through load, forward, backward, clip, step, evaluate, save, load and resume.

    Args:
        name: Of the cell, for the checks' names.
        reload: Saves the model into a folder and returns what loads from it.
        scratch: A folder that is thrown away.
    """
    task.model.to(hardware.device)
    labels = dataset.labels(np.arange(len(dataset)))
    # Where batches are planned by length, these are the longest functions: what fits once fits always.
    batch = np.concatenate(task.plan_evaluation(dataset.rows(Split.TRAIN)))[-config.batch_size :]
    stepper = Stepper(task, labels=labels, config=config, hardware=hardware, events=context.events)
    task.model.train()
    report = stepper.take([batch], learning_rate=TRIAL_RATE)
    outputs = infer(task, dataset.rows(Split.DEV)[:TRIAL_ROWS], hardware=hardware, context=context)
    finite = bool(np.isfinite(outputs.logits_RC).all() and np.isfinite(outputs.embeddings_RD).all())
    return [
        _check_step(name, report, len(batch), stepper.parts),
        _check_gradients(name, report),
        Check(
            name=f"{name}_evaluate",
            verdict="pass" if finite else "fail",
            detail=f"{len(outputs.logits_RC)} dev functions, embeddings of width {outputs.embeddings_RD.shape[1]}"
            + ("" if finite else ": NaN or Inf among the outputs"),
            fix="" if finite else "use fp32, or another model",
        ),
        _check_same(
            f"{name}_save",
            weights_of(task.model),
            weights_of(reload(scratch / "model")),
            what="the saved model's weights",
        ),
        _check_resume(name, task, stepper, batch, hardware, scratch / "checkpoint"),
    ]


def _check_step(name: str, report: StepReport, functions: int, parts: int) -> Check:
    finite = bool(np.isfinite(report.loss))
    memory = "" if parts == 1 else f"; memory ran out until the batch was computed in {parts} parts"
    verdict = "fail" if not finite else "pass" if parts == 1 else "warn"
    fix = {"fail": "use fp32, or another model", "warn": "lower batch_size and raise accumulation", "pass": ""}
    return Check(
        name=f"{name}_step",
        verdict=verdict,
        detail=f"loss {report.loss:.4f} on {functions} functions, gradient norm {report.norms.total:.3g}{memory}",
        fix=fix[verdict],
    )


def _check_gradients(name: str, report: StepReport) -> Check:
    norms = report.norms.components
    dead = [component for component, norm in norms.items() if norm == 0]
    return Check(
        name=f"{name}_gradients",
        verdict="fail" if dead else "pass",
        detail=f"no gradient reaches {', '.join(dead)}" if dead else f"gradients reach {', '.join(norms)}",
        fix="check the model: this part would never learn" if dead else "",
    )


def _check_same(
    name: str, before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], *, what: str, exact: bool = True
) -> Check:
    tolerance = 0.0 if exact else 1e-5
    different = [
        key
        for key, tensor in before.items()
        if key not in after or not torch.allclose(tensor, after[key], rtol=tolerance, atol=tolerance)
    ]
    return Check(
        name=name,
        verdict="fail" if different else "pass",
        detail=f"{what}: {len(different)} of {len(before)} differ" if different else f"{what} are the same",
        fix=f"report it with the spec: the first is {different[0]}" if different else "",
    )


def _check_resume(name: str, task: Task, stepper: Stepper, batch: Rows, hardware: Hardware, folder: Path) -> Check:
    """Take a step twice from the same checkpoint: both must end at the same weights."""
    state = TrainingState(fingerprint="trial", learning_rate={})
    task.model.train()
    save_checkpoint(folder, state=state, model=task.model, best=None, optimizer=stepper.optimizer, hardware=hardware)
    stepper.take([batch], learning_rate=TRIAL_RATE)
    first = weights_of(task.model)
    restore_checkpoint(
        load_checkpoint(folder, fingerprint="trial"),
        model=task.model,
        optimizer=stepper.optimizer,
        hardware=hardware,
    )
    stepper.take([batch], learning_rate=TRIAL_RATE)
    # Kernels on a GPU add in no fixed order.
    exact = hardware.device.type == "cpu"
    return _check_same(
        f"{name}_resume", first, weights_of(task.model), what="weights after resuming from a checkpoint", exact=exact
    )
