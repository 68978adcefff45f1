"""The linear model in a trained network's folder, and how both are mixed."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cellgate.contract.errors import DataError
from cellgate.contract.files import write_json
from trainers.models.linear.mixed import Mix
from trainers.models.linear.model import LinearModel

# In a folder of their own: a network's folder is a checkpoint, whose weights are all in it and no others.
MODEL_NAME = "linear/model.safetensors"
MIX_NAME = "linear/mix.json"


@dataclass(frozen=True, kw_only=True)
class LinearPart:
    """What is added to a network's log-odds, and what those are multiplied by."""

    model: LinearModel
    mix: Mix

    def save(self, folder: Path) -> None:
        """Write both beside the network, each atomically; the weights, by which the part is found, come last."""
        self.model.write(folder / MODEL_NAME)
        write_json(folder / MIX_NAME, asdict(self.mix))

    @classmethod
    def find(cls, folder: Path) -> "LinearPart | None":
        """Return the part in a network's folder; null where the network is by itself.

        Raises:
            DataError: A file is damaged, or one of both is missing.
        """
        path = folder / MIX_NAME
        if not path.exists() and not (folder / MODEL_NAME).exists():
            return None
        try:
            content = json.loads(path.read_bytes())
            mix = Mix(**{name: float(content[name]) for name in ("network", "linear", "bias")})
            if not mix.is_sound:
                raise ValueError(f"{mix}: a weight is negative, or a number is not finite")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError.unreadable(
                path,
                "the weights of network and linear model cannot be read",
                error,
                expected="network, linear and bias, as training wrote them",
                fix="train the model again",
            ) from error
        return cls(model=LinearModel.read(folder / MODEL_NAME), mix=mix)


def saving_both(part: LinearPart | None, save: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what saves a network, and beside it the linear model that it is mixed with, if any."""

    def save_both(folder: Path) -> None:
        save(folder)
        if part is not None:
            part.save(folder)

    return save_both
