"""Every kind of collapse, injected into predictions."""

import numpy as np
import pytest

from bench.weak_models import PREVALENCES, RANKINGS, rate
from trainers.engine.collapse import detect_prediction_collapse, find_non_finite, is_constant
from trainers.engine.gradients import Norms
from trainers.engine.optimization import StepReport

RNG = np.random.default_rng(0)
LABELS = np.array([0, 1] * 50)


def _logits(margin: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(margin), margin], axis=1).astype(np.float32)


def _types(labels: np.ndarray, margin: np.ndarray) -> set[str]:
    return {collapse.type for collapse in detect_prediction_collapse(labels, _logits(margin), step=1)}


def test_a_useful_model_has_not_collapsed() -> None:
    assert _types(LABELS, (LABELS - 0.5) * 2 + RNG.normal(0, 1, 100)) == set()


def test_a_good_ranking_below_one_half_has_not_collapsed() -> None:
    labels = np.array([1] * 5 + [0] * 95)

    assert _types(labels, labels * 1.5 - 4 + RNG.normal(0, 0.3, 100)) == set()


def test_a_model_whose_signs_are_swapped_knows_something_and_has_not_collapsed() -> None:
    labels = np.array([1] * 20 + [0] * 80)

    assert _types(labels, (0.5 - labels) * 6 + RNG.normal(0, 2, 100)) == set()


def test_constant_logits_are_found() -> None:
    assert _types(LABELS, np.full(100, 0.3)) >= {"constant_logits", "single_class"}


def test_one_class_at_every_sensible_threshold_is_found() -> None:
    # Ranked backwards: the best F1 calls everything vulnerable, and so does 0.5.
    assert _types(LABELS, 3 - LABELS + RNG.normal(0, 0.01, 100)) == {"single_class"}


def test_finding_no_vulnerable_function_and_ranking_none_higher_is_an_f1_of_zero() -> None:
    # Two positives at places 25 and 75 of 100, by rank: an AUROC of one half.
    labels = np.zeros(100, dtype=np.int64)
    labels[[25, 74]] = 1

    assert _types(labels, np.linspace(-8, -1, 100)) == {"zero_f1"}


def test_a_model_that_is_stuck_at_the_prior_is_found() -> None:
    assert "prior_entropy" in _types(LABELS, RNG.normal(0, 0.01, 100))


def test_a_model_that_is_certain_of_one_answer_and_wrong_is_worse_than_the_prior() -> None:
    # It ranks, but says "vulnerable" with a probability of almost 1 of every function.
    assert "prior_entropy" in _types(LABELS, 40 + LABELS + RNG.normal(0, 1, 100))


@pytest.mark.parametrize(
    ("prevalence", "evaluations"),
    [(0.01, 60), (0.3, 60), *(pytest.param(share, 500, marks=pytest.mark.slow) for share in PREVALENCES)],
)
@pytest.mark.parametrize("ranking", RANKINGS)
def test_a_weak_model_that_learns_is_hardly_ever_called_collapsed(
    ranking: float, prevalence: float, evaluations: int
) -> None:
    found = rate(prevalence, ranking=ranking, confidence=1.0, rows=500, evaluations=evaluations)

    assert found <= 0.02


@pytest.mark.parametrize("prevalence", [0.01, 0.3])
def test_a_model_stuck_at_the_prior_is_found_however_rare_vulnerable_functions_are(prevalence: float) -> None:
    # By chance 1 in 20 of them ranks as if it had learned.
    assert rate(prevalence, ranking=None, confidence=0.05, rows=500, evaluations=60) >= 0.85


@pytest.mark.parametrize(
    ("margin", "constant"),
    [
        pytest.param(np.full(100, 0.3), True, id="one value"),
        pytest.param(np.tile([0.01, 0.01, -0.01, -0.01], 25), True, id="at the prior, ranked by chance"),
        pytest.param(0.02 * LABELS + RNG.normal(0, 0.01, 100), False, id="at the prior, but it begins to rank"),
        pytest.param((LABELS - 0.5) * 2 + RNG.normal(0, 1, 100), False, id="useful"),
    ],
)
def test_only_predictions_that_rank_by_chance_are_constant(margin: np.ndarray, constant: bool) -> None:
    logits = _logits(margin)

    assert is_constant(LABELS, logits, detect_prediction_collapse(LABELS, logits, step=1)) is constant


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_found(bad: float) -> None:
    margin = LABELS.astype(np.float64)
    margin[3] = bad

    assert _types(LABELS, margin) == {"non_finite"}


@pytest.mark.parametrize(
    ("norms", "expected"), [({"gnn": np.nan, "head": 1.0}, ["gnn"]), ({"gnn": 1.0, "head": 1.0}, ["loss"])]
)
def test_a_step_that_is_not_finite_names_the_component_or_else_the_loss(
    norms: dict[str, float], expected: list[str]
) -> None:
    report = StepReport(loss=np.inf, norms=Norms(total=np.nan, components=norms), skipped=False)

    assert [collapse.component for collapse in find_non_finite(report, step=1)] == expected
