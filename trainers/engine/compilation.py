"""Training a model as torch.compile makes it, or as it is where it cannot be compiled."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


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
