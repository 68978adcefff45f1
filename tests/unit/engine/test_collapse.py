"""Every kind of collapse, injected."""

import numpy as np
import pytest

from trainers.engine.collapse import detect_gradient_collapse, detect_prediction_collapse

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


def test_constant_logits_are_found() -> None:
    assert _types(LABELS, np.full(100, 0.3)) >= {"constant_logits", "single_class"}


def test_one_class_at_every_sensible_threshold_is_found() -> None:
    # Ranked backwards: the best F1 calls everything vulnerable, and so does 0.5.
    assert _types(LABELS, 3 - LABELS + RNG.normal(0, 0.01, 100)) == {"single_class"}


def test_a_model_that_is_stuck_at_the_prior_is_found() -> None:
    assert "prior_entropy" in _types(LABELS, RNG.normal(0, 0.01, 100))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_found(bad: float) -> None:
    margin = LABELS.astype(np.float64)
    margin[3] = bad

    assert _types(LABELS, margin) == {"non_finite"}


def test_a_branch_without_any_gradient_is_dead() -> None:
    [collapse] = detect_gradient_collapse({"gnn": 0.0, "head": 1.0}, step=5)

    assert (collapse.type, collapse.component, collapse.step) == ("dead_branch", "gnn", 5)


def test_a_gradient_that_vanishes_is_found() -> None:
    [collapse] = detect_gradient_collapse({"gnn": 1e-12, "head": 1.0}, step=5)

    assert (collapse.type, collapse.component) == ("gradient", "gnn")
