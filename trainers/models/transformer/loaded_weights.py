"""What of a model's weights came from its checkpoint; the library makes up the rest and only warns."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from cellgate.contract.results import Check

# BERT's, which pretraining by masks alone leaves out: new ones are usual, as for a head.
POOLER = "pooler"
NUMBERED_LAYER = re.compile(r"^(.*?\.\d+)\.")
SHOWN_WEIGHTS = 3


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """What the library took from the checkpoint's files.

    Args:
        backbone: Number of the model's weights without head and pooler.
        missing: Those that the files do not have, and that are random.
        misshapen: Those that the files have in another shape, and that are random too, each with both shapes.
        unused_layers: Layers that are in the files and not in the model.
        fresh: Weights of head and pooler that are random, which is usual.
    """

    backbone: int
    missing: Sequence[str]
    misshapen: Sequence[str]
    unused_layers: Sequence[str]
    fresh: Sequence[str]

    @classmethod
    def of(cls, model: Any, found: Mapping[str, Iterable[Any]]) -> Self:
        """Sort the library's report on loading.

        Args:
            model: With fresh weights where the files had none that fit.
            found: As from_pretrained returns it with output_loading_info.
        """
        names = [name for name, _ in model.named_parameters()]
        backbone = {name for name in names if _is_backbone(model, name)}
        missing = sorted(str(name) for name in found["missing_keys"])
        shapes = {str(name): (tuple(in_file), tuple(in_model)) for name, in_file, in_model in found["mismatched_keys"]}
        fresh = [name for name in (*missing, *shapes) if name not in backbone]
        return cls(
            backbone=len(backbone),
            missing=[name for name in missing if name in backbone],
            misshapen=[
                f"{name} {in_file} in the file and {in_model} in the model"
                for name, (in_file, in_model) in sorted(shapes.items())
                if name in backbone
            ],
            unused_layers=_layers_beyond(names, map(str, found["unexpected_keys"])),
            fresh=fresh,
        )

    def check(self) -> Check:
        """Return a check that passes if all of the backbone comes from the checkpoint."""
        random = len(self.missing) + len(self.misshapen)
        parts = [f"{self.backbone - random} of the {self.backbone} weights of the backbone are loaded"]
        parts += _listed("not in the files", self.missing)
        parts += _listed("of another shape", self.misshapen)
        parts += _listed("layers of the files that the model lacks", self.unused_layers)
        parts += _listed("of the head start anew", self.fresh)
        failed = bool(random or self.unused_layers or not self.backbone)
        fix = "restore config.json and the weights as they were published together" if failed else ""
        return Check(name="weights", verdict="fail" if failed else "pass", detail="; ".join(parts), fix=fix)


def _is_backbone(model: Any, name: str) -> bool:
    return name.startswith(f"{model.base_model_prefix}.") and POOLER not in name.split(".")


def _layers_beyond(names: Iterable[str], unexpected: Iterable[str]) -> list[str]:
    """Return the numbered layers that only the files have; a foreign model's whole backbone is missing anyway."""
    layers = {match[1] for name in names if (match := NUMBERED_LAYER.match(name))}
    stacks = {layer.rpartition(".")[0] for layer in layers}
    # The files of a bare backbone name its layers without the classifier's prefix.
    stacks |= {stack.partition(".")[2] for stack in stacks}
    layers |= {layer.partition(".")[2] for layer in layers}
    beyond = {match[1] for name in unexpected if (match := NUMBERED_LAYER.match(name)) and match[1] not in layers}
    return sorted(layer for layer in beyond if layer.rpartition(".")[0] in stacks)


def _listed(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - SHOWN_WEIGHTS} more" if len(names) > SHOWN_WEIGHTS else ""
    return [f"{len(names)} {what}: {', '.join(names[:SHOWN_WEIGHTS])}{more}"]
