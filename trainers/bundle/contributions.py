"""What each token or graph node adds to a model's log-odds, and by that how much each line leans to the verdict.

A hint of which lines to leave out, not a weight: on functions of real trees the line that leans most is rarely the one
without which the log-odds fall most.

Source:
    Gradient times activation of the last hidden layer, place by place: Draelos and Carin 2020 (HiResCAM), arXiv
    2011.08891, section 3; on graphs Pope et al. 2019, "Explainability Methods for Graph Convolutional Neural Networks",
    CVPR, section 3.2.
"""

# Shapes: P places (tokens or nodes) of one function, B functions in the batch, T tokens, C classes (2), L lines.
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.utils.generic import ModelOutput

from trainers.data.graphs.syntax import StringTable, SyntaxReader
from trainers.engine.metrics import Floats
from trainers.models.transformer.token_ids import head_and_tail

Lines = NDArray[np.int64]


class LastHidden:
    """The last hidden layer of a model, kept where gradients are enabled; the layers below it record nothing.

    Args:
        model: Whose weights stay as they are; changed in place.
        layer: Of it, whose first output is one vector for each token or node.
    """

    def __init__(self, model: nn.Module, layer: nn.Module) -> None:
        model.requires_grad_(requires_grad=False)
        self._state: Tensor | None = None
        layer.register_forward_hook(self._keep)

    def _keep(self, _layer: nn.Module, _inputs: Any, output: Any) -> Any:
        if not torch.is_grad_enabled():
            return None
        self._state = (output if isinstance(output, Tensor) else output[0]).detach().requires_grad_()
        if isinstance(output, Tensor):
            return self._state
        if isinstance(output, ModelOutput):
            # Its first value is read by place and by name.
            output[next(iter(output))] = self._state
            return output
        return (self._state, *output[1:])

    def contributions(self, logits_BC: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return what each place adds to the log-odds, and whether any layer above reads it, of the shape of its layer.

        Null where the logits do not come from this layer's output.
        """
        state, self._state = self._state, None
        if state is None or not logits_BC.requires_grad:
            return None
        margin = (logits_BC[:, 1] - logits_BC[:, 0]).sum()
        gradient: Tensor | None = torch.autograd.grad(margin, state, allow_unused=True)[0]
        if gradient is None:
            return None
        return (gradient * state.detach()).sum(dim=-1), gradient.ne(0).any(dim=-1)


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """What one model's tokens or nodes add to its log-odds.

    Args:
        weight: Of the model among all.
        of_F: By function, (P,); null where the model reads one token alone, so that nothing is known of the lines.
        lines: Returns the line of each place, (P,), of some functions by their text.
    """

    weight: float
    of_F: Sequence[Floats | None]
    lines: Callable[[Sequence[str]], list[Lines]]


def leanings(models: Sequence[Contributions], sources: Sequence[str], chosen: Sequence[int]) -> list[Floats | None]:
    """Return how much each line of some functions adds to the verdict, (L,); null where a model does not tell.

    Args:
        models: All that the verdict is made of.
        sources: Text of all functions.
        chosen: Places of those wanted among them.
    """
    texts = [sources[place] for place in chosen]
    told = [[model.of_F[place] for place in chosen] for model in models]
    summed: list[Floats | None] = [
        None if any(of_one[number] is None for of_one in told) or not told else np.zeros(text.count("\n") + 1)
        for number, text in enumerate(texts)
    ]
    if all(total_L is None for total_L in summed):
        return summed
    for model, of_model in zip(models, told, strict=True):
        for total_L, values_P, lines_P in zip(summed, of_model, model.lines(texts), strict=True):
            if total_L is not None and values_P is not None:
                total_L += model.weight * np.bincount(lines_P - 1, weights=values_P, minlength=len(total_L))
    return summed


def lines_of_tokens(sources: Sequence[str], tokenizer: Any, *, max_tokens: int) -> list[Lines]:
    """Return the line of each token's last character, from 1, of those tokens that a model reads.

    Args:
        tokenizer: One that tells where its tokens stand.
        max_tokens: With special tokens.
    """
    encoded = tokenizer(list(sources), return_offsets_mapping=True, return_attention_mask=False, verbose=False)
    ends = [head_and_tail([end for _, end in spans], max_tokens) for spans in encoded["offset_mapping"]]
    return [_line_of(of_one, source.encode("utf-32-le"), "<u4") for of_one, source in zip(ends, sources, strict=True)]


def lines_of_nodes(sources: Sequence[str], *, max_nodes: int) -> list[Lines]:
    """Return the line in which each graph node begins, from 1.

    Args:
        max_nodes: Nodes kept of each function.
    """
    reader = SyntaxReader(max_nodes, StringTable())
    found = []
    for source in sources:
        spans: list[tuple[int, int]] = []
        content = source.encode()
        reader.read(content, spans)
        found.append(_line_of([start + 1 for start, _ in spans], content, "u1"))
    return found


def _line_of(ends: Sequence[int], content: bytes, unit: str) -> Lines:
    """Return the lines of the characters before these places; of nothing, the first line."""
    line_ends = np.flatnonzero(np.frombuffer(content, dtype=unit) == ord("\n"))
    before = np.searchsorted(line_ends, np.asarray(ends, dtype=np.int64) - 1, side="left")
    return before.astype(np.int64) + 1
