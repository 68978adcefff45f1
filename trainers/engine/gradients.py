"""Gradient and weight norms, in total and per component, with one transfer from the device."""

# Shapes: P parameters that have a gradient.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Norms:
    """L2 norms, as plain numbers."""

    total: float
    components: dict[str, float]


def clip_gradients(parameters: Sequence[nn.Parameter], total: Tensor, max_norm: float) -> None:
    """Scale all gradients so that their total norm is at most `max_norm`.

    Args:
        total: Their norm, a scalar on their device; the scaling then needs no transfer.

    Source:
        Pascanu et al. 2013, arXiv 1211.5063, algorithm 1.
    """
    torch.nn.utils.clip_grads_with_norm_(list(parameters), max_norm, total)


def norms_of(tensors: Sequence[Tensor]) -> Tensor:
    """Return the L2 norm of each tensor, (P,), float32, on their device."""
    # In float32 at least: squares of half precision overflow at 256.
    return torch.stack([torch.linalg.vector_norm(tensor, dtype=torch.float32) for tensor in tensors])


def weight_norms(components: Mapping[str, Sequence[nn.Parameter]]) -> dict[str, float]:
    """Return the L2 norm of each component's weights; a component without any is left out."""
    with torch.no_grad():
        return {name: float(norms_of(list(parameters)).norm()) for name, parameters in components.items() if parameters}


class GradientNorms:
    """Measures the gradients of one set of parameters, step after step.

    Args:
        parameters: All that are trained.
        components: Which of them are watched together; one without parameters, all of it being frozen, is left out.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], components: Mapping[str, Sequence[nn.Parameter]]) -> None:
        self._parameters = list(parameters)
        place = {id(parameter): index for index, parameter in enumerate(self._parameters)}
        self._members = {
            name: [place[id(parameter)] for parameter in members if id(parameter) in place]
            for name, members in components.items()
            if members
        }

    def measure(self) -> tuple[Tensor, Tensor]:
        """Return the total norm, a scalar, and each parameter's norm, (P,), both on the device.

        A parameter without a gradient counts as 0.
        """
        missing = self._parameters[0].new_zeros(1)
        norms_P = norms_of([missing if p.grad is None else p.grad for p in self._parameters])
        return torch.linalg.vector_norm(norms_P), norms_P

    def summarise(self, total: float, norms_P: Sequence[float]) -> Norms:
        """Join parameters' norms, already on the host, into components' norms."""
        components = {
            name: sum(norms_P[index] ** 2 for index in members) ** 0.5 for name, members in self._members.items()
        }
        return Norms(total=total, components=components)
