"""The peak learning rate of a run: fixed by the spec, remembered by a checkpoint or the cache, or found."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cellgate.contract.configs import LearningRate, TrainingConfig
from cellgate.contract.documents import leaves_of
from cellgate.contract.events import EventKind
from cellgate.contract.files import sha256_of_json
from cellgate.contract.range_test import RangeTestCurve
from cellgate.contract.results import LearningRateOutcome
from cellgate.contract.specs import TrainedSpec
from trainers.engine.context import RunContext
from trainers.engine.environment import code_version
from trainers.engine.hardware import Hardware
from trainers.engine.lr_cache import CachedRate, DamagedEntryError, LearningRateCache
from trainers.engine.lr_finder import MIN_POINTS, Suggestion, find_learning_rate
from trainers.engine.optimization import OPTIMIZER
from trainers.engine.planning import TrainingPlan
from trainers.engine.run_folder import STATE_NAME, current_checkpoint
from trainers.engine.task import Task

# Of the steps of training, the range test takes at most so many.
FINDER_SHARE = 0.1
# Fields of a spec that the range test's answer does not depend on, or that are in the key by another name, with the
# reason. Every other field is in the key: a new one is, until somebody adds it here.
NOT_IN_KEY: Mapping[str, str] = {
    "model.mix_linear": "the test trains the network, which is mixed afterwards",
    "seed": "the seeds of an experiment share one rate",
    "dataset": "a path; the data set's id is in the key",
    "device": "changes the last digits alone; the precision it resolves to is in the key",
    "threads": "changes the last digits alone",
    "lr_cache": "where the cache lies",
    "transformer": "a path; the hash of the predictions that are read from it is in the key",
    "gnn": "a path; the hash of the predictions that are read from it is in the key",
    "training.epochs": "bounds the steps of the test, whose number is in the key",
    "training.max_steps": "bounds the steps of the test, whose number is in the key",
    "training.warmup_fraction": "the test has a schedule of its own",
    "training.patience": "the test evaluates nothing",
    "training.checkpoint_every_steps": "the test saves nothing",
    "training.precision": "the precision that `auto` resolves to is in the key",
    "training.deterministic": "changes the last digits alone",
    "training.compile": "the test runs the model as it is",
}


def choose_learning_rate(
    plan: TrainingPlan,
    *,
    spec: TrainedSpec,
    dataset_id: str,
    context: RunContext,
    hardware: Hardware,
    inputs: Sequence[str] = (),
) -> LearningRateOutcome:
    """Return the run's peak learning rate and where it came from; always a usable one.

    Args:
        plan: What the range test draws its steps from.
        spec: With the rate, or the range to look in, and the cache's folder; null does without a cache.
        dataset_id: `sha256:` and 64 hex digits; part of the cache's key.
        context: Gets the outcome as an event; a checkpoint that it resumes from keeps its rate.
        hardware: Where the test runs.
        inputs: Hashes of the files that the model learns from besides the data set; part of the cache's key.

    Raises:
        InterruptedRun: A stop was requested.
        OutOfMemoryError: Memory ran out after every back-off.
    """
    settings = plan.config.learning_rate
    with context.phase("lr_finder"):
        known = _remembered(context.resume) or _fixed(plan.config)
        chosen = None if known is None else _Chosen(outcome=known)
        if chosen is None:
            training_steps = plan.expected_steps()
            steps = finder_steps(settings, training_steps=training_steps)
            key = cache_key(
                plan.task, spec=spec, dataset_id=dataset_id, inputs=inputs, hardware=hardware, finder_steps=steps
            )
            # Seeds share the answer, but each has weights of its own.
            fingerprint = sha256_of_json({"key": key, "seed": spec.seed})
            find = partial(_too_short, training_steps)
            if steps >= MIN_POINTS:
                find = partial(
                    find_learning_rate, plan, context=context, hardware=hardware, steps=steps, fingerprint=fingerprint
                )
            if spec.lr_cache is None:
                chosen = _settled(find(), settings)
            else:
                cache = LearningRateCache(folder=spec.lr_cache)
                chosen = _SharedRate(cache=cache, key=key, settings=settings, context=context).get(find)
    curve = {} if chosen.curve is None else {"curve": chosen.curve.model_dump()}
    context.events.write(EventKind.LR_FINDER, **chosen.outcome.model_dump(mode="json"), **curve)
    return chosen.outcome


def finder_steps(settings: LearningRate, *, training_steps: int) -> int:
    """Return the steps of the range test: those of the spec, and at most a tenth of the training's.

    Args:
        settings: With the steps that the spec wants.
        training_steps: Optimizer steps of the whole training.
    """
    return min(settings.finder_steps, int(FINDER_SHARE * training_steps))


def _too_short(training_steps: int) -> Suggestion:
    return Suggestion(
        learning_rate=None,
        reason=f"no range test: of {training_steps} steps of training it may take a tenth, and it needs {MIN_POINTS}",
    )


def cache_key(
    task: Task,
    *,
    spec: TrainedSpec,
    dataset_id: str,
    hardware: Hardware,
    finder_steps: int,
    inputs: Sequence[str] = (),
) -> str:
    """Return the hash of everything that changes the range test's answer: every field of the spec not in NOT_IN_KEY.

    The budgets of tokens and nodes per batch follow from the model, the batch size and the code.

    Args:
        task: With the parameter groups that the rate is for.
        spec: Of any seed; see NOT_IN_KEY for what of it does not count.
        dataset_id: `sha256:` and 64 hex digits.
        hardware: With the precision that the test computes in.
        finder_steps: That the test has in this training.
        inputs: Hashes of the files that the model learns from besides the data set.
    """
    fields = dict(leaves_of(spec.model_dump(mode="json")))
    return sha256_of_json(
        {
            "spec": {path: value for path, value in fields.items() if path not in NOT_IN_KEY},
            "finder_steps": finder_steps,
            "inputs": list(inputs),
            "dataset": dataset_id,
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
        # Damaged: the loop reports it, and begins from the start.
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
class _Chosen:
    """A run's rate, and the curve that it was read from, in this run or in the one that filled the cache."""

    outcome: LearningRateOutcome
    curve: RangeTestCurve | None = None


def _settled(suggestion: Suggestion, settings: LearningRate) -> _Chosen:
    return _Chosen(outcome=settle(suggestion, settings), curve=suggestion.curve)


@dataclass(frozen=True, kw_only=True)
class _SharedRate:
    """One entry of the cache, which the seeds of an experiment share."""

    cache: LearningRateCache
    key: str
    settings: LearningRate
    context: RunContext

    def get(self, find: Callable[[], Suggestion]) -> _Chosen:
        """Return the cached rate, or find it for all seeds while they wait."""
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

    def _read(self) -> _Chosen | None:
        known = self.cache.read(self.key)
        if known is None:
            return None
        if known.learning_rate != _in_range(known.learning_rate, self.settings):
            raise DamagedEntryError(f"{known.learning_rate:g} is not within the range that was tried")
        outcome = LearningRateOutcome(
            learning_rate=known.learning_rate,
            # A default stays one, whoever reads it: the gate warns of it.
            source="cache" if known.source == "finder" else "fallback",
            reason=known.reason,
            cache_key=self.key,
            cache_hit=True,
            cache_verified=True,
        )
        return _Chosen(outcome=outcome, curve=known.curve)

    def _find(self, find: Callable[[], Suggestion]) -> _Chosen:
        found = _settled(find(), self.settings)
        outcome = found.outcome
        # A default too: seeds share one rate, and none of them asks again what another did not find.
        rate = CachedRate(
            learning_rate=outcome.learning_rate,
            source="fallback" if outcome.source == "fallback" else "finder",
            reason=outcome.reason,
            curve=found.curve,
        )
        try:
            verified = self.cache.write(self.key, rate)
        except OSError as error:
            self._warn(f"the learning rate cannot be remembered: {type(error).__name__}: {error}")
            verified = False
        return replace(found, outcome=outcome.model_copy(update={"cache_key": self.key, "cache_verified": verified}))

    def _warn(self, message: str) -> None:
        self.context.events.write(EventKind.WARNING, code="lr_cache", message=message)


def settle(suggestion: Suggestion, settings: LearningRate) -> LearningRateOutcome:
    """Return the rate that the test suggests, or else the fallback with the test's reason.

    A fallback is brought below where the test saw the loss take off, and into the range that was tried.
    """
    rate, reason = suggestion.learning_rate, suggestion.reason
    if rate is None:
        safe = settings.fallback if suggestion.ceiling is None else min(settings.fallback, suggestion.ceiling)
        rate = _in_range(safe, settings)
        reason += f"; the fallback is {settings.fallback:g}"
        if safe != settings.fallback:
            reason += f", which is not well below that: a twentieth of it is {safe:.2g}"
        if rate != safe:
            reason += f"; of the range that was tried, {rate:g} is the nearest to it"
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
