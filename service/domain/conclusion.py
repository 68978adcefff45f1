"""The rule of what came of an experiment that has ended. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from cellgate.contract.conclusion import Conclusion, Ending, Outcome, SeedCounts, of_seeds
from cellgate.contract.decision import DecisionOutcome
from cellgate.contract.options import OPTION_NAMES, Option
from cellgate.contract.states import ExperimentState

# Checks that a failed or cancelled seed of 51 and 52 fails: a person who waived one goes on without the seed.
SEED_CHECKS = frozenset({"seeds_complete", "exit_codes"})


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A computed decision, or a person's.

    Args:
        confidence: Of a computed one.
        by: Name of the person's token; None for a computed one.
    """

    outcome: DecisionOutcome
    option: Option | None
    confidence: Literal["clear", "borderline"] | None = None
    by: str | None = None


@dataclass(frozen=True, kw_only=True)
class EndFacts:
    """The facts about an experiment that has ended.

    Args:
        detail: Why it failed.
        decision: The last computed decision.
        overruling: The last overruling of that decision.
        bases: Current runs of cells 51 and 52.
        fusion: Current runs of cell 53.
        waived: Names of the gate's checks that a person waived.
    """

    state: ExperimentState
    detail: str = ""
    decision: Decided | None = None
    overruling: Decided | None = None
    bases: SeedCounts = field(default_factory=SeedCounts)
    fusion: SeedCounts = field(default_factory=SeedCounts)
    waived: Collection[str] = ()

    @property
    def seeds(self) -> SeedCounts:
        """All runs of cells 51, 52 and 53."""
        return _add(self.bases, self.fusion)


def conclude(facts: EndFacts) -> Conclusion | None:
    """Return what came of an experiment; None while it goes on.

    An overruling is the last word. Of the computed outcomes, the first in the order of `Outcome` that is true counts.
    """
    if not facts.state.terminal:
        return None
    computed = _computed(facts)
    counts = computed if facts.overruling is None else _overruled(facts.overruling)
    by = None if facts.overruling is None else facts.overruling.by
    return Conclusion(**counts.model_dump(), seeds=facts.seeds, overruled_by=by, computed=computed)


def _computed(facts: EndFacts) -> Ending:
    decided = facts.decision
    if facts.state is ExperimentState.FAILED:
        return _nothing(Outcome.FAILED, f"failed: {facts.detail}" if facts.detail else "failed", decided)
    unwaived = facts.fusion if SEED_CHECKS.intersection(facts.waived) else facts.seeds
    if unwaived.failed:
        return _nothing(Outcome.BROKEN, f"broken: {of_seeds(unwaived.failed, facts.seeds)}", decided)
    if facts.state is ExperimentState.CANCELLED:
        return _nothing(Outcome.STOPPED, "stopped: the experiment was cancelled", decided)
    if unwaived.cancelled:
        return _nothing(Outcome.STOPPED, f"stopped: {of_seeds(unwaived.cancelled, facts.seeds)} cancelled", decided)
    if decided is None or decided.option is None:
        return _nothing(Outcome.IMPROVE, "improve 51 and 52", decided)
    ships = f"ships {OPTION_NAMES[decided.option].lower()}"
    if decided.confidence == "borderline":
        return _ending(Outcome.BORDERLINE, f"borderline: {ships}", decided)
    return _ending(Outcome.SHIPS, ships, decided)


def _overruled(word: Decided) -> Ending:
    if word.option is None:
        return _nothing(Outcome.IMPROVE, f"improve 51 and 52, overruled by {word.by}", word)
    return _ending(Outcome.SHIPS, f"ships {OPTION_NAMES[word.option].lower()}, overruled by {word.by}", word)


def _nothing(outcome: Outcome, text: str, decided: Decided | None) -> Ending:
    confidence = None if decided is None else decided.confidence
    return Ending(outcome=outcome, option=None, confidence=confidence, text=text)


def _ending(outcome: Outcome, text: str, decided: Decided) -> Ending:
    return Ending(outcome=outcome, option=decided.option, confidence=decided.confidence, text=text)


def _add(one: SeedCounts, other: SeedCounts) -> SeedCounts:
    return SeedCounts(
        total=one.total + other.total,
        failed=one.failed + other.failed,
        cancelled=one.cancelled + other.cancelled,
    )
