"""Each option as it would be packed: the seed that was best on dev, and all seeds together."""

# Shapes: R rows of a split, S seeds.
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import Split
from cellgate.contract.options import Option
from trainers.engine.metrics import Floats, Integers, best_threshold, f1_score, sigmoid
from trainers.evaluation.ensemble import ensemble_log_odds, log_odds_of_mean, temperature_of
from trainers.evaluation.options import Candidate

READ = (Split.DEV, Split.GATE)


def forms_of(option: Option, candidates: Sequence[Candidate], labels_R: Integers) -> list[Candidate]:
    """Return the seed that was best on dev and, where there are several, all of them together.

    Args:
        candidates: Every option of every seed.
        labels_R: Of dev.
    """
    chosen = [candidate for candidate in candidates if candidate.option == option]
    best = max(chosen, key=lambda candidate: dev_f1(candidate, labels_R))
    return [best] if len(chosen) == 1 else [best, _together(option, chosen, candidates, labels_R)]


def dev_f1(candidate: Candidate, labels_R: Integers) -> float:
    """Return F1 on dev, at the threshold that was fixed there."""
    return f1_score(labels_R, candidate.predicted(Split.DEV))


def _together(
    option: Option, chosen: Sequence[Candidate], candidates: Sequence[Candidate], labels_R: Integers
) -> Candidate:
    """Return all seeds as one, as a bundle of them scores: with one weight, temperature and threshold."""
    weights = [candidate.text_weight for candidate in chosen if candidate.text_weight is not None]
    weight = fmean(weights) if weights else None
    of_seeds = [_log_odds(candidate, candidates, weight) for candidate in chosen]
    log_odds = {split: log_odds_of_mean(np.stack([of_seed[split] for of_seed in of_seeds])) for split in READ}
    temperature = None
    if chosen[0].temperature is not None:
        temperature = temperature_of(labels_R, log_odds[Split.DEV], fit=chosen[0].fit)
        log_odds = {split: log_odds_R / temperature for split, log_odds_R in log_odds.items()}
    return Candidate(
        option=option,
        seeds=tuple(seed for candidate in chosen for seed in candidate.seeds),
        log_odds=log_odds,
        threshold=best_threshold(labels_R, sigmoid(log_odds[Split.DEV])),
        text_weight=weight,
        temperature=temperature,
    )


def _log_odds(candidate: Candidate, candidates: Sequence[Candidate], weight: float | None) -> Mapping[Split, Floats]:
    if weight is None:
        return candidate.log_odds
    base: dict[Option, Mapping[Split, NDArray[np.float64]]] = {
        other.option: other.log_odds for other in candidates if other.seeds == candidate.seeds
    }
    return {
        split: ensemble_log_odds(base["transformer"][split], base["gnn"][split], text_weight=weight) for split in READ
    }
