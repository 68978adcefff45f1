"""Defaults of cell 51 by kind of training, as published recipes have them.

What a person leaves out is filled in when a spec is accepted, from one table and in one place. What is stored and
trained names every value, so that it means the same after the table has changed.

Source:
    full: Devlin et al. 2019, arXiv 1810.04805, appendix A.3 (batch 16 or 32, rates 2e-5 to 5e-5, 2 to 4 epochs, weight
    decay 0.01); Liu et al. 2019, arXiv 1907.11692, table 10 (rates 1e-5 to 3e-5, batch 16 or 32, up to 10 epochs);
    Mosbach et al. 2021, arXiv 2006.04884, section 6 (2e-5, a tenth of the steps in warm-up, more epochs than 3 on few
    rows); Lu et al. 2021 (CodeXGLUE), arXiv 2102.04664, defect detection (2e-5, 5 epochs).
    lora: Hu et al. 2021, arXiv 2106.09685, table 9 (rates 2e-4 to 5e-4, 6 % of the steps in warm-up, 512 tokens, more
    epochs than in full fine-tuning).
    frozen: a linear classifier on the features of a body that stays as it is; rates as for one from scratch.
    scratch: measured; docs/transformer.md.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel


class TrainingKind(StrEnum):
    """What of a text model is trained, and from where."""

    SCRATCH = "scratch"
    FULL = "full"
    LORA = "lora"
    FROZEN = "frozen"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that a kind of training decides.

    Args:
        fallback: Learning rate where the range test gives none.
        finder_min: Lowest rate of the range test.
        finder_max: Highest rate of the range test.
        warmup_fraction: Share of all steps.
        weight_decay: AdamW's.
        epochs: At most.
        batch_size: Functions.
        max_tokens: Of a function.
    """

    fallback: float
    finder_min: float
    finder_max: float
    warmup_fraction: float
    weight_decay: float
    epochs: int
    batch_size: int
    max_tokens: int


RECIPES: Mapping[TrainingKind, Recipe] = {
    TrainingKind.SCRATCH: Recipe(
        fallback=2e-3,
        finder_min=1e-6,
        finder_max=1e-1,
        warmup_fraction=0.1,
        weight_decay=0.01,
        epochs=8,
        batch_size=32,
        max_tokens=256,
    ),
    TrainingKind.FULL: Recipe(
        fallback=2e-5,
        finder_min=5e-6,
        finder_max=1e-4,
        warmup_fraction=0.1,
        weight_decay=0.01,
        epochs=5,
        batch_size=16,
        max_tokens=512,
    ),
    TrainingKind.LORA: Recipe(
        fallback=3e-4,
        finder_min=5e-5,
        finder_max=2e-3,
        warmup_fraction=0.06,
        weight_decay=0.01,
        epochs=10,
        batch_size=16,
        max_tokens=512,
    ),
    TrainingKind.FROZEN: Recipe(
        fallback=1e-3,
        finder_min=1e-4,
        finder_max=1e-2,
        warmup_fraction=0.1,
        weight_decay=0.01,
        epochs=10,
        batch_size=16,
        max_tokens=512,
    ),
}
# Where each of them stands in a config.
PLACES: Mapping[str, tuple[str, ...]] = {
    "fallback": ("training", "learning_rate"),
    "finder_min": ("training", "learning_rate"),
    "finder_max": ("training", "learning_rate"),
    "warmup_fraction": ("training",),
    "weight_decay": ("training",),
    "epochs": ("training",),
    "batch_size": ("training",),
    "max_tokens": ("model",),
}


def kind_of(model: Mapping[str, Any]) -> TrainingKind:
    """Return the kind of training that a text model's settings ask for.

    Args:
        model: `checkpoint`, `lora` and `freeze`, where they are set; valid or not.
    """
    if model.get("checkpoint") is None:
        return TrainingKind.SCRATCH
    if model.get("lora") is not None:
        return TrainingKind.LORA
    return TrainingKind.FROZEN if model.get("freeze") == "body" else TrainingKind.FULL


def with_recipe(config: Any) -> Any:
    """Return the input of a config of cell 51 with what it leaves out filled in by kind.

    Args:
        config: As it was given: a mapping, with mappings or models in it. Anything else is returned as it is, for the
            validation that follows to refuse.
    """
    parts = _given(config)
    if not isinstance(parts, dict) or not isinstance(model := _given(parts.get("model", {})), dict):
        return config
    for name, value in asdict(RECIPES[kind_of(model)]).items():
        _set_default(parts, (*PLACES[name], name), value)
    return parts


def settings_of(config: BaseModel) -> dict[str, float]:
    """Return what a config of cell 51 has for each setting of a recipe, by its dotted path."""
    found = {}
    for name, place in PLACES.items():
        value: Any = config
        for step in (*place, name):
            value = getattr(value, step)
        found[".".join((*place, name))] = value
    return found


def _given(part: Any) -> Any:
    """Return what was set of a part, in a dictionary of its own; anything that is no mapping or model as it is."""
    if isinstance(part, BaseModel):
        return {name: getattr(part, name) for name in part.model_fields_set}
    return dict(part) if isinstance(part, Mapping) else part


def _set_default(parts: dict[str, Any], path: tuple[str, ...], value: float) -> None:
    name, *rest = path
    if not rest:
        parts.setdefault(name, value)
        return
    part = _given(parts.get(name, {}))
    if isinstance(part, dict):
        _set_default(part, tuple(rest), value)
        parts[name] = part
