"""The checkpoints that a request names: hub names, or folders below a model root."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from cellgate.contract.configs import TransformerModel
from service.domain.errors import InvalidSpec, Mistake
from service.local_paths import model_source


def check_checkpoints(body: BaseModel, roots: Sequence[Path]) -> None:
    """Check every checkpoint in a request.

    Args:
        body: The request.
        roots: The folders that models may be loaded from.

    Raises:
        InvalidSpec: One is no hub name, and no folder below a root; all are listed. One answer for all reasons.
    """
    shown = ", ".join(str(root) for root in roots)
    mistakes = [
        Mistake(
            pointer=f"{pointer}/checkpoint",
            detail=f"found {model.checkpoint!r}, expected a hub name (org/name), or a folder below a model root "
            f"({shown}): put it there, or have its folder added to CELLGATE_MODEL_ROOTS",
        )
        for pointer, model in _text_models("", body)
        if model.checkpoint is not None and model_source(model.checkpoint, roots) is None
    ]
    if mistakes:
        raise InvalidSpec("a checkpoint cannot be loaded from there; nothing was created", mistakes=mistakes)


def _text_models(pointer: str, part: BaseModel) -> Iterator[tuple[str, TransformerModel]]:
    """Yield each text model of a spec, with the JSON pointer to it."""
    if isinstance(part, TransformerModel):
        yield pointer, part
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from _text_models(f"{pointer}/{name}", value)
