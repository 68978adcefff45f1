"""What came of a sweep: each trial's score, the winner, and what the winner reaches on seeds that did not choose it."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from pydantic import BaseModel, Field

from cellgate.contract.api.runs import RunAnswer
from cellgate.sweep.spec import SweepSpec


class Scores(BaseModel):
    """One score of one split over seeds."""

    mean: float
    by_seed: dict[int, float]

    def as_text(self) -> str:
        """Return mean and standard deviation."""
        values = list(self.by_seed.values())
        return f"{self.mean:.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


class Trial(BaseModel):
    """One config that was tried."""

    number: int = Field(description="From 1, in the order of the proposals.")
    settings: dict[str, Any] = Field(description="Values of the varied fields, by dotted path.")
    job: str
    dev: Scores | None = Field(description="Null where a seed did not succeed.")
    failures: list[str] = Field(default_factory=list)


class Confirmation(BaseModel):
    """The winner on seeds that did not choose it; its score on the seeds that did is too good by the choice."""

    job: str
    dev: Scores | None
    gate: Scores | None
    failures: list[str] = Field(default_factory=list)


class SweepResult(BaseModel):
    """The whole of a sweep."""

    spec: SweepSpec
    trials: list[Trial]
    winner: int | None = Field(description="Number of the trial; null where none succeeded.")
    config: dict[str, Any] | None = Field(description="The winner's whole config, to be submitted.")
    confirmation: Confirmation | None


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the highest mean, of equals the first; None where none succeeded."""
    done = [trial for trial in trials if trial.dev is not None]
    return max(done, key=lambda trial: trial.dev.mean if trial.dev is not None else 0.0, default=None)


def scores_of(runs: Sequence[RunAnswer], split: str, score: str) -> Scores | None:
    """Return one score of a split; None where a run has none.

    Args:
        runs: One per seed, each with its result.
        split: E.g. `dev`.
        score: Name of a metric of the result.
    """
    found = {run.seed: ((run.result or {}).get("metrics", {}).get(split) or {}).get(score) for run in runs}
    values = {seed: float(value) for seed, value in found.items() if value is not None}
    return Scores(mean=fmean(values.values()), by_seed=values) if values and len(values) == len(runs) else None


def failures_of(runs: Sequence[RunAnswer]) -> list[str]:
    """Return of each run that did not succeed why."""
    return [
        f"seed {run.seed}: {run.failure_reason or run.state}: {run.failure_detail or ''}".rstrip(": ")
        for run in runs
        if run.state != "succeeded"
    ]
