"""A model's outputs for rows of the data set, in their order."""

# Shapes: R rows, B functions in a batch, C classes (2), D width of the pooled embedding.
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellgate.contract.errors import OutOfMemoryError, is_out_of_memory
from cellgate.contract.events import EventKind
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.memory import release_memory
from trainers.engine.task import Rows, Task


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Logits (R, 2) and pooled embeddings (R, D) of R rows, float32."""

    logits_RC: NDArray[np.float32]
    embeddings_RD: NDArray[np.float32]


def infer(task: Task, rows: Rows, *, hardware: Hardware, context: RunContext) -> Outputs:
    """Return the model's outputs for `rows`, in their order; the model is left in evaluation mode.

    When memory runs out, every batch is computed in twice as many parts from then on, in this call and later ones.

    Args:
        task: The model is moved to no other device.
        rows: Of the data set, each once.
        hardware: Where the model is.
        context: Checked before each batch for a request to stop; remembers in how many parts a batch fits.

    Raises:
        InterruptedRun: A stop was requested.
        OutOfMemoryError: Memory ran out on a single function.
    """
    task.model.eval()
    place = {int(row): index for index, row in enumerate(rows)}
    logits: list[NDArray[np.float32]] = []
    embeddings: list[NDArray[np.float32]] = []
    order: list[int] = []
    waiting = [part for batch in reversed(task.plan_evaluation(rows)) for part in _parts(batch, context)]
    with torch.inference_mode():
        while waiting:
            context.raise_if_stopped()
            context.events.tick()
            batch = waiting.pop()
            outputs: Outputs | None = None
            try:
                outputs = _predict(task, batch, hardware)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                _back_off(batch, context, error)
            if outputs is None:
                # Only now has the error released the memory of the failed batch.
                release_memory(hardware.device)
                waiting = [half for part in [*waiting, batch] for half in _halves(part)]
                continue
            logits.append(outputs.logits_RC)
            embeddings.append(outputs.embeddings_RD)
            order.extend(place[int(row)] for row in batch)
    back = np.argsort(order)
    return Outputs(logits_RC=np.concatenate(logits)[back], embeddings_RD=np.concatenate(embeddings)[back])


def _predict(task: Task, rows: Rows, hardware: Hardware) -> Outputs:
    batch: Any = task.load_batch(rows).to(hardware.device)
    with hardware.accelerator.autocast():
        prediction = task.predict(batch)
    return Outputs(
        logits_RC=prediction.logits_BC.float().cpu().numpy(),
        embeddings_RD=prediction.embedding_BD.float().cpu().numpy(),
    )


def _parts(batch: Rows, context: RunContext) -> list[Rows]:
    """Return the parts of a batch, the first one last."""
    parts = min(context.evaluation.parts, len(batch))
    return list(reversed(np.array_split(batch, parts))) if parts > 1 else [batch]


def _halves(part: Rows) -> list[Rows]:
    """Return both halves, the first one last; a single row stays whole."""
    middle = len(part) // 2
    return [part[middle:], part[:middle]] if middle else [part]


def _back_off(batch: Rows, context: RunContext, error: BaseException) -> None:
    if len(batch) == 1:
        raise OutOfMemoryError(
            "memory ran out on a single function: lower max_tokens or the model's size, or use a larger machine"
        ) from error
    context.evaluation.parts *= 2
    context.events.write(
        EventKind.WARNING,
        code="evaluation_backoff",
        message=f"memory ran out while evaluating {len(batch)} functions at once: from now on in "
        f"{context.evaluation.parts} parts per batch",
    )
