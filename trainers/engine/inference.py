"""What the model says of some rows, in their order."""

# Shapes: R rows, B functions in a batch, C classes (2), D width of the pooled embedding.
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.memory import is_out_of_memory, release_memory
from trainers.engine.task import Rows, Task
from trainers.errors import OutOfMemoryError


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Logits (R, 2) and pooled embeddings (R, D) of R rows, float32."""

    logits_RC: NDArray[np.float32]
    embeddings_RD: NDArray[np.float32]


def infer(task: Task, rows: Rows, *, hardware: Hardware, context: RunContext) -> Outputs:
    """Return the model's outputs for `rows`, in their order; the model is left in evaluation mode.

    Raises:
        InterruptedRun: The run was told to stop.
        OutOfMemoryError: Memory ran out on a single function.
    """
    task.model.eval()
    place = {int(row): index for index, row in enumerate(rows)}
    logits: list[NDArray[np.float32]] = []
    embeddings: list[NDArray[np.float32]] = []
    order: list[int] = []
    waiting = list(reversed(task.plan_evaluation(rows)))
    with torch.inference_mode():
        while waiting:
            context.raise_if_stopped()
            batch = waiting.pop()
            try:
                outputs = _predict(task, batch, hardware)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                release_memory(hardware.device)
                waiting.extend(_halves(batch, error))
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


def _halves(rows: Rows, error: BaseException) -> list[Rows]:
    if len(rows) == 1:
        raise OutOfMemoryError(
            "memory ran out on a single function: lower max_tokens or the model's size, or use a larger machine"
        ) from error
    middle = len(rows) // 2
    return [rows[middle:], rows[:middle]]
