"""Low-rank updates of a checkpoint's linear layers, trained instead of all its weights.

Source:
    Hu et al. 2021 (LoRA), arXiv 2106.09685.
"""

from typing import Any

from torch import Tensor, nn

from cellgate.contract.configs import Lora

ADAPTER = "default"
# GPT-2's linear layer, whose matrix stands the other way round.
TRANSPOSED = "Conv1D"
_WRAPPED = ".base_layer."
_UPDATE = ".lora_"


def add_lora(model: Any, lora: Lora) -> None:
    """Freeze the model but for its classifier, and give every linear layer below that a low-rank update.

    Args:
        model: From AutoModelForSequenceClassification; changed in place.
    """
    # Two seconds, and only wanted here.
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    head = [parameter for name, parameter in model.named_parameters() if not _is_of_base(model, name)]
    linear = {name: part for name, part in model.base_model.named_modules() if _is_linear(part)}
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=[f"{model.base_model_prefix}.{name}" for name in linear],
        fan_in_fan_out=any(type(part).__name__ == TRANSPOSED for part in linear.values()),
    )
    # The tuner changes the model itself: to the engine it stays the library's class.
    LoraModel(model, config, ADAPTER)
    for parameter in head:
        parameter.requires_grad_(True)


def merged_weights(model: nn.Module) -> dict[str, Tensor] | None:
    """Return the weights with their updates added, under the names of the model without; null without updates."""
    layers = {name: module for name, module in model.named_modules() if hasattr(module, "get_delta_weight")}
    if not layers:
        return None
    weights = {
        name.replace(_WRAPPED, "."): tensor for name, tensor in model.state_dict().items() if _UPDATE not in name
    }
    for name, layer in layers.items():
        weights[f"{name}.weight"] = layer.base_layer.weight.detach() + layer.get_delta_weight(ADAPTER).detach()
    return weights


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == TRANSPOSED


def _is_of_base(model: Any, name: str) -> bool:
    return name.startswith(f"{model.base_model_prefix}.")
