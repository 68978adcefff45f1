"""What a range test keeps, now and then and when it is stopped: the next attempt goes on from there, exactly."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cellgate.contract.errors import DataError
from cellgate.contract.files import atomic_file
from trainers.engine.checkpoint import DAMAGE, Weights, generator_states, restore_generators, weights_of
from trainers.engine.hardware import Hardware
from trainers.engine.optimization import Stepper
from trainers.engine.run_folder import POINTS_NAME

KEEP_EVERY_S = 10.0
# Of the test's time, at most so much goes into keeping: optimizers of large models have gigabytes.
KEEP_SHARE = 0.05


class KeepTimer:
    """When a range test that nobody stops keeps its points: what kills it then costs some seconds, not the test."""

    def __init__(self) -> None:
        self._next = time.monotonic() + KEEP_EVERY_S

    def is_due(self) -> bool:
        """Return whether it is time."""
        return time.monotonic() >= self._next

    def kept(self, began: float) -> None:
        """Set the next time.

        Args:
            began: When keeping began, by `time.monotonic()`.
        """
        now = time.monotonic()
        self._next = now + max(KEEP_EVERY_S, (now - began) / KEEP_SHARE)


@dataclass(frozen=True, kw_only=True)
class FinderPoints:
    """A range test in the middle.

    Args:
        fingerprint: Of the run and of everything that changes the test's answer.
        losses: Of the steps that are done; their rates follow from the config.
        parts: In how many parts each batch is computed, after memory ran out.
        model: The weights after these steps.
        optimizer: Its state dict, with the moments.
        scaler: The gradient scaler's; None without one.
        generators: States of all random generators.
    """

    fingerprint: str
    losses: list[float]
    parts: int
    model: Weights
    optimizer: Mapping[str, Any]
    scaler: Mapping[str, Any] | None
    generators: Mapping[str, Any]

    @classmethod
    def of(
        cls, losses: list[float], *, fingerprint: str, model: torch.nn.Module, stepper: Stepper, hardware: Hardware
    ) -> "FinderPoints":
        """Return where a test stands."""
        scaler = hardware.accelerator.scaler
        return cls(
            fingerprint=fingerprint,
            losses=losses,
            parts=stepper.parts,
            model=weights_of(model),
            optimizer=stepper.optimizer.state_dict(),
            scaler=None if scaler is None else scaler.state_dict(),
            generators=generator_states(),
        )

    def restore(self, *, model: torch.nn.Module, stepper: Stepper, hardware: Hardware) -> None:
        """Put weights, optimizer, scaler and random generators where the test left them."""
        model.load_state_dict(self.model)
        stepper.optimizer.load_state_dict(dict(self.optimizer))
        stepper.parts = self.parts
        scaler = hardware.accelerator.scaler
        if scaler is not None and self.scaler is not None:
            scaler.load_state_dict(self.scaler)
        restore_generators(self.generators)

    def save(self, folder: Path) -> None:
        """Write it into a run's `checkpoint` folder, whole or not at all."""
        with atomic_file(folder / POINTS_NAME) as file:
            torch.save(dict(vars(self)), file)


def load_points(folder: Path) -> FinderPoints | None:
    """Return the points that a stopped test has left in a `checkpoint` folder; None without any.

    Raises:
        DataError: They cannot be read.
    """
    path = folder / POINTS_NAME
    if not path.is_file():
        return None
    try:
        return FinderPoints(**torch.load(path, map_location="cpu", weights_only=True))
    except DAMAGE as error:
        message = "the points of the learning-rate test cannot be read"
        raise DataError.unreadable(path, message, error, expected="whole points") from error
