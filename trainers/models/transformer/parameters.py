"""A text model's parameters: which share a learning rate, and which are watched together."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from trainers.engine.task import ParameterGroup


def parameter_groups(model: Any, *, layer_lr_decay: float) -> list[ParameterGroup]:
    """Return the trainable parameters; matrices decay, biases and norms do not.

    With a decay below 1, each layer of the stack is a group of its own, and learns at that share of the layer's above
    it; the embeddings count as the layer below the first, and the classifier has the peak rate.

    Source:
        Howard and Ruder 2018 (ULMFiT), arXiv 1801.06146, section 3.2; for BERT: Sun et al. 2019, arXiv 1905.05583,
        section 5.3.4.
    """
    if layer_lr_decay == 1:
        return _split("transformer", [p for p in model.parameters() if p.requires_grad], 1.0)
    depths = _depths(model)
    top = max(depths.values())
    groups = []
    for depth in sorted(set(depths.values()), reverse=True):
        members = [p for p in model.parameters() if p.requires_grad and depths[id(p)] == depth]
        name = "classifier" if depth == top else "embeddings" if depth == 0 else f"layer_{depth - 1}"
        groups += _split(name, members, layer_lr_decay ** (top - depth))
    return groups


def freeze_body(model: Any) -> None:
    """Leave the classifier alone to be trained, with the pooler that some classes keep below it.

    Args:
        model: From AutoModelForSequenceClassification; changed in place.
    """
    model.base_model.requires_grad_(False)
    # BERT's: pretraining may have left it out, and then it starts anew.
    pooler = getattr(model.base_model, "pooler", None)
    if pooler is not None:
        pooler.requires_grad_(True)


def new_last_layers(model: Any) -> list[nn.Linear]:
    """Return the layer that gives the logits if it is new: one that a checkpoint brings has learnt its bias.

    Args:
        model: From AutoModelForSequenceClassification; the library leaves the bias of what is new at zero.
    """
    inside = set(model.base_model.modules())
    heads = [module for module in model.modules() if isinstance(module, nn.Linear) and module not in inside]
    return [last for last in heads[-1:] if last.bias is not None and not last.bias.any()]


def components(model: Any) -> Mapping[str, Sequence[nn.Parameter]]:
    """Return the trainable parameters of embeddings, encoder and classifier."""
    embeddings = [p for p in model.get_input_embeddings().parameters() if p.requires_grad]
    base = [p for p in model.base_model.parameters() if p.requires_grad]
    inside = {id(p) for p in base}
    tables = {id(p) for p in embeddings}
    return {
        "embeddings": embeddings,
        "encoder": [p for p in base if id(p) not in tables],
        "classifier": [p for p in model.parameters() if p.requires_grad and id(p) not in inside],
    }


def _split(name: str, parameters: Sequence[nn.Parameter], lr_ratio: float) -> list[ParameterGroup]:
    matrices = ParameterGroup(name=name, parameters=[p for p in parameters if p.dim() > 1], lr_ratio=lr_ratio)
    others = ParameterGroup(
        name=f"{name}_no_decay",
        parameters=[p for p in parameters if p.dim() <= 1],
        lr_ratio=lr_ratio,
        weight_decay=False,
    )
    return [group for group in (matrices, others) if group.parameters]


def _depths(model: Any) -> dict[int, int]:
    """Return each parameter's depth by its id: 0 below the first layer, then the layers', and the classifier on top.

    What lies between or behind layers (a last norm, a pooler) belongs to the layer before it.
    """
    layer_of = {id(p): number for number, layer in enumerate(_layers(model), start=1) for p in layer.parameters()}
    depths = {}
    depth = 0
    for parameter in model.base_model.parameters():
        depth = layer_of.get(id(parameter), depth)
        depths[id(parameter)] = depth
    top = max(depths.values()) + 1
    return {id(p): depths.get(id(p), top) for p in model.parameters()}


def _layers(model: Any) -> list[nn.Module]:
    """Return the layers of the longest stack; of two stacks of one length, encoder and decoder, both in a row."""
    stacks: dict[str, nn.ModuleList] = {}
    for name, module in model.base_model.named_modules():
        # A list within a layer is no stack of layers.
        if isinstance(module, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in stacks):
            stacks[name] = module
    longest = max((len(stack) for stack in stacks.values()), default=0)
    return [layer for stack in stacks.values() if len(stack) == longest for layer in stack]
