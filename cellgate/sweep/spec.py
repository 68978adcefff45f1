"""What a sweep tries: a base config, the fields that vary, and the seeds that choose and that confirm."""

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from cellgate.contract.api.common import LABEL_VALUE
from cellgate.contract.broken_rules import told_apart
from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.configs import Spec
from cellgate.contract.exit_codes import UsageError
from cellgate.contract.experiment import MAX_SEEDS, Seeds

MAX_TRIALS = 200


class Range(Spec):
    """Numbers between two bounds."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    log: bool = Field(False, description="Each order of magnitude is as likely as any other.")
    whole: bool = Field(False, description="Whole numbers only, both bounds among them.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low:g} must be above 0 where `log` is set")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError("both bounds must be whole where `whole` is set")
        return self


class SweepSpec(Spec):
    """A search over configs of one cell, chosen on `dev`; the winner is trained again on seeds that did not choose."""

    name: str = Field("sweep", pattern=rf"^{LABEL_VALUE}$", description="Label of its jobs (`sweep`).")
    cell: Literal[51, 52]
    dataset: str = Field(description="Id or name of a prepared data set.")
    config: dict[str, Any] = Field(default_factory=dict, description="What all trials have in common.")
    search: dict[str, Range | list[Any]] = Field(
        min_length=1, description="Fields that vary, by dotted path: a range of numbers, or a list of values."
    )
    method: Literal["random", "grid"] = Field("random", description="A grid needs a list for every field.")
    trials: int = Field(12, ge=2, le=MAX_TRIALS, description="Configs that are tried; of a grid, at most.")
    sampling_seed: int = Field(0, ge=0)
    score: Literal["auroc", "auprc", "f1", "mcc"] = Field("auroc", description="On `dev`; the highest mean is chosen.")
    seeds: Seeds = Field([0], description="Seeds that choose.")
    confirm_seeds: Seeds = Field([1, 2, 3], description="Seeds that the winner is trained on afterwards.")

    @model_validator(mode="after")
    def _can_be_searched(self) -> Self:
        empty = [path for path, values in self.search.items() if isinstance(values, list) and not values]
        if empty:
            raise ValueError(f"search: {', '.join(empty)}: no value to try")
        ranges = [path for path, values in self.search.items() if isinstance(values, Range)]
        if self.method == "grid" and ranges:
            raise ValueError(f"search: {', '.join(ranges)}: a grid needs a list of values, not a range")
        if self.method == "grid" and self.grid_size > self.trials:
            raise ValueError(f"the grid has {self.grid_size} points, more than the {self.trials} trials")
        if both := sorted(set(self.seeds) & set(self.confirm_seeds)):
            raise ValueError(f"seeds {both} choose and confirm: a winner is confirmed by others")
        if len(self.seeds) + len(self.confirm_seeds) > 2 * MAX_SEEDS:
            raise ValueError(f"more than {2 * MAX_SEEDS} seeds")
        return self

    @property
    def grid_size(self) -> int:
        """Number of combinations of all listed values."""
        return math.prod(len(values) for values in self.search.values() if isinstance(values, list))


def read_sweep(body: Mapping[str, Any], *, where: str) -> SweepSpec:
    """Return the sweep that a file describes.

    Raises:
        UsageError: With every mistake and its place.
    """
    try:
        return SweepSpec.model_validate(body)
    except ValidationError as error:
        raise UsageError(f"{where}: no sweep\n" + _mistakes(error)) from error


def check_configs(spec: SweepSpec, settings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each trial's config, all of its fields valid: no device second is spent on one that is refused later.

    Args:
        settings: Values of the varied fields, by dotted path.

    Raises:
        UsageError: With the mistakes of all trials, each once.
    """
    entry = ENTRY_OF[Cell(str(spec.cell))]
    assert entry.config is not None
    configs: list[dict[str, Any]] = []
    mistakes: dict[str, int] = {}
    for number, values in enumerate(settings, start=1):
        try:
            config = with_settings(spec.config, values)
            entry.config.model_validate({"cell": spec.cell, **config})
            configs.append(config)
        except UsageError as error:
            mistakes.setdefault(str(error), number)
        except ValidationError as error:
            mistakes.setdefault(_mistakes(error), number)
    if mistakes:
        listed = "\n".join(f"trial {number}:\n{text}" for text, number in mistakes.items())
        raise UsageError(
            f"{len(settings) - len(configs)} of {len(settings)} trials are no config of cell {spec.cell}\n{listed}"
        )
    return configs


def with_settings(config: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with fields set, by dotted path.

    Raises:
        UsageError: A path leads through something that is no mapping.
    """
    made = dict(config)
    for path, value in settings.items():
        *parents, name = path.split(".")
        inner = made
        for parent in parents:
            below = inner.get(parent, {})
            if not isinstance(below, Mapping):
                raise UsageError(f"  search.{path}: {parent} is {below!r}, expected a mapping")
            inner[parent] = dict(below)
            inner = inner[parent]
        inner[name] = value
    return made


def _mistakes(error: ValidationError) -> str:
    return "\n".join(
        f"  {'.'.join(map(str, one['loc'])) or 'spec'}: {one['msg'].removeprefix('Value error, ')}"
        for one in told_apart(error.errors(include_url=False))
    )
