"""The peak learning rate of a run: fixed by the spec, remembered by a checkpoint or the cache, or found."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainers.artifacts import sha256_of_json
from trainers.engine.context import RunContext
from trainers.engine.environment import code_version
from trainers.engine.hardware import Hardware
from trainers.engine.lr_cache import LearningRateCache
from trainers.engine.lr_finder import Suggestion, find_learning_rate
from trainers.engine.resume import STATE_NAME, current_checkpoint
from trainers.engine.task import Rows, Task
from trainers.events import EventKind
from trainers.results import LearningRateOutcome
from trainers.specs import TrainingConfig

# What of the training config the range test's answer depends on.
_SETTINGS = {
    "batch_size",
    "accumulation",
    "learning_rate",
    "weight_decay",
    "max_grad_norm",
    "label_smoothing",
    "keep_pairs_together",
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
) -> LearningRateOutcome:
    """Return the run's peak learning rate and where it came from; always a usable one.

    Args:
        model: The model's part of the spec, as JSON; part of the cache's key.
        cache: The cache's folder; null does without.

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
            )
            fallback = config.learning_rate.fallback
            if cache is None:
                outcome = _found(find(), fallback=fallback, cache=None, key="")
            else:
                key = cache_key(config=config, model=model, dataset_id=dataset_id, hardware=hardware)
                outcome = _shared(
                    find, fallback=fallback, cache=LearningRateCache(folder=cache), key=key, context=context
                )
    context.events.write(EventKind.LR_FINDER, **outcome.model_dump(mode="json"))
    return outcome


def cache_key(*, config: TrainingConfig, model: Mapping[str, object], dataset_id: str, hardware: Hardware) -> str:
    """Return the hash of everything that changes the range test's answer, but the seed, which the seeds share."""
    return sha256_of_json(
        {
            "model": dict(model),
            "dataset": dataset_id,
            "settings": config.model_dump(mode="json", include=_SETTINGS),
            "precision": hardware.precision.value,
            "optimizer": "adamw",
            "code": code_version(),
        }
    )


def _remembered(resume: Path | None) -> LearningRateOutcome | None:
    """Return the checkpoint's outcome: a resumed run must go on with the rate that it began with."""
    checkpoint = None if resume is None else current_checkpoint(resume)
    if checkpoint is None:
        return None
    return LearningRateOutcome.model_validate(json.loads((checkpoint / STATE_NAME).read_bytes())["learning_rate"])


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


def _cached(cache: LearningRateCache, key: str) -> LearningRateOutcome | None:
    known = cache.read(key)
    if known is None or known.learning_rate is None:
        return None
    return LearningRateOutcome(
        learning_rate=known.learning_rate,
        source="cache",
        reason=known.reason,
        cache_key=key,
        cache_hit=True,
        cache_verified=True,
    )


def _shared(
    find: Callable[[], Suggestion], *, fallback: float, cache: LearningRateCache, key: str, context: RunContext
) -> LearningRateOutcome:
    """Return what the cache knows, or find it for all seeds while they wait."""
    known = _cached(cache, key)
    if known is not None:
        return known
    with cache.lock(key, context.raise_if_stopped):
        return _cached(cache, key) or _found(find(), fallback=fallback, cache=cache, key=key)


def _found(
    suggestion: Suggestion, *, fallback: float, cache: LearningRateCache | None, key: str
) -> LearningRateOutcome:
    if suggestion.learning_rate is None:
        # Not cached: the next seed may well find one.
        return LearningRateOutcome(
            learning_rate=fallback,
            source="fallback",
            reason=suggestion.reason,
            cache_key=None if cache is None else key,
            cache_hit=False,
            cache_verified=None,
        )
    return LearningRateOutcome(
        learning_rate=suggestion.learning_rate,
        source="finder",
        reason=suggestion.reason,
        cache_key=None if cache is None else key,
        cache_hit=False,
        cache_verified=None if cache is None else cache.write(key, suggestion),
    )
