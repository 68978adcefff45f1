"""The peak learning rate of a run: fixed by the spec, remembered by a checkpoint or the cache, or found."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cellgate.contract.configs import LearningRate, TrainingConfig
from cellgate.contract.events import EventKind
from cellgate.contract.files import sha256_of_json
from cellgate.contract.results import LearningRateOutcome
from trainers.engine.context import RunContext
from trainers.engine.environment import code_version
from trainers.engine.hardware import Hardware
from trainers.engine.lr_cache import DamagedEntryError, LearningRateCache
from trainers.engine.lr_finder import Suggestion, find_learning_rate
from trainers.engine.optimization import OPTIMIZER
from trainers.engine.run_folder import STATE_NAME, current_checkpoint
from trainers.engine.task import Rows, Task

# What of the training config the range test's answer depends on.
_SETTINGS = {
    "batch_size",
    "accumulation",
    "learning_rate",
    "weight_decay",
    "max_grad_norm",
    "label_smoothing",
    "keep_pairs_together",
    "class_balance",
}


def choose_learning_rate(
    task: Task,
    *,
    train_rows: Rows,
    labels: npt.NDArray[np.int64],
    config: TrainingConfig,
    model: Mapping[str, object],
    dataset_id: str,
    cache: Path | None,
    context: RunContext,
    hardware: Hardware,
    pairs: Sequence[str | None] | None = None,
) -> LearningRateOutcome:
    """Return the run's peak learning rate and where it came from; always a usable one.

    Args:
        model: The model's part of the spec, as JSON; part of the cache's key.
        cache: The cache's folder; null does without.
        pairs: By row of the data set; null when nothing must stay together.

    Raises:
        InterruptedRun: The run was told to stop.
        OutOfMemoryError: Memory ran out after every back-off.
    """
    with context.phase("lr_finder"):
        outcome = _remembered(context.resume) or _fixed(config)
        if outcome is None:
            find = partial(
                find_learning_rate,
                task,
                train_rows=train_rows,
                labels=labels,
                config=config,
                context=context,
                hardware=hardware,
                pairs=pairs,
            )
            if cache is None:
                outcome = settle(find(), config.learning_rate)
            else:
                key = cache_key(task, config=config, model=model, dataset_id=dataset_id, hardware=hardware)
                shared = _SharedRate(
                    cache=LearningRateCache(folder=cache), key=key, settings=config.learning_rate, context=context
                )
                outcome = shared.get(find)
    context.events.write(EventKind.LR_FINDER, **outcome.model_dump(mode="json"))
    return outcome


def cache_key(
    task: Task, *, config: TrainingConfig, model: Mapping[str, object], dataset_id: str, hardware: Hardware
) -> str:
    """Return the hash of everything that changes the range test's answer, but the seed, which the seeds share.

    The budgets of tokens and nodes per batch follow from the model, the batch size and the code.
    """
    return sha256_of_json(
        {
            "model": dict(model),
            "dataset": dataset_id,
            "settings": config.model_dump(mode="json", include=_SETTINGS),
            "groups": [[group.name, group.lr_ratio, group.weight_decay] for group in task.groups],
            "precision": hardware.precision.value,
            "optimizer": OPTIMIZER,
            "code": code_version(),
        }
    )


def _remembered(resume: Path | None) -> LearningRateOutcome | None:
    """Return the checkpoint's outcome: a resumed run must go on with the rate that it began with."""
    checkpoint = None if resume is None else current_checkpoint(resume)
    if checkpoint is None:
        return None
    try:
        return LearningRateOutcome.model_validate(json.loads((checkpoint / STATE_NAME).read_bytes())["learning_rate"])
    except (OSError, ValueError, KeyError, TypeError):
        # Damaged: the loop says so, and begins from the start.
        return None


def _fixed(config: TrainingConfig) -> LearningRateOutcome | None:
    if config.learning_rate.value is None:
        return None
    return LearningRateOutcome(
        learning_rate=config.learning_rate.value,
        source="spec",
        reason="fixed by the spec",
        cache_key=None,
        cache_hit=False,
        cache_verified=None,
    )


@dataclass(frozen=True, kw_only=True)
class _SharedRate:
    """One entry of the cache, which the seeds of an experiment share."""

    cache: LearningRateCache
    key: str
    settings: LearningRate
    context: RunContext

    def get(self, find: Callable[[], Suggestion]) -> LearningRateOutcome:
        """Return what the cache knows, or find it for all seeds while they wait."""
        with suppress(DamagedEntryError):
            known = self._read()
            if known is not None:
                return known
        with self.cache.lock(self.key, self.context.raise_if_stopped):
            try:
                known = self._read()
            except DamagedEntryError as error:
                self._warn(f"the learning rate is looked for anew, as the cache's entry cannot be used: {error}")
                known = None
            return known or self._find(find)

    def _read(self) -> LearningRateOutcome | None:
        known = self.cache.read(self.key)
        if known is None or known.learning_rate is None:
            return None
        if known.learning_rate != _in_range(known.learning_rate, self.settings):
            raise DamagedEntryError(f"{known.learning_rate:g} is not within the range that was tried")
        return LearningRateOutcome(
            learning_rate=known.learning_rate,
            source="cache",
            reason=known.reason,
            cache_key=self.key,
            cache_hit=True,
            cache_verified=True,
        )

    def _find(self, find: Callable[[], Suggestion]) -> LearningRateOutcome:
        suggestion = find()
        outcome = settle(suggestion, self.settings)
        if outcome.source == "fallback":
            # Not cached: the next seed may well find one.
            return outcome.model_copy(update={"cache_key": self.key})
        try:
            verified = self.cache.write(self.key, suggestion)
        except OSError as error:
            self._warn(f"the learning rate cannot be remembered: {type(error).__name__}: {error}")
            verified = False
        return outcome.model_copy(update={"cache_key": self.key, "cache_verified": verified})

    def _warn(self, message: str) -> None:
        self.context.events.write(EventKind.WARNING, code="lr_cache", message=message)


def settle(suggestion: Suggestion, settings: LearningRate) -> LearningRateOutcome:
    """Return what the test suggests, or else the fallback with the test's reason."""
    rate, reason = suggestion.learning_rate, suggestion.reason
    if rate is None:
        rate = _in_range(settings.fallback, settings)
        if rate != settings.fallback:
            reason += f"; of the range that was tried, {rate:g} is the nearest to the fallback {settings.fallback:g}"
    return LearningRateOutcome(
        learning_rate=rate,
        source="fallback" if suggestion.learning_rate is None else "finder",
        reason=reason,
        cache_key=None,
        cache_hit=False,
        cache_verified=None,
    )


def _in_range(rate: float, settings: LearningRate) -> float:
    return min(max(rate, settings.finder_min), settings.finder_max)
