"""Scores against scikit-learn, or by hand where it has no such score."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.engine.metrics import (
    all_positive_f1,
    auprc,
    auroc,
    best_threshold,
    compute_metrics,
    confusion,
    expected_calibration_error,
    sigmoid,
    vulnerability_detection_score,
)

# Few distinct values, so that there are ties.
LABELLED = st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5)), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def _arrays(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([label for label, _ in rows]), np.array([score for _, score in rows], dtype=np.float64)


@settings(max_examples=60, deadline=None)
@given(LABELLED)
def test_every_score_is_that_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    labels, score = _arrays(rows)
    logits = np.stack([-score / 2, score / 2], axis=1).astype(np.float32)
    predicted = sigmoid(score) >= 0.5

    metrics = compute_metrics(labels, logits, threshold=0.5, temperature=1.0)

    assert metrics.auroc == pytest.approx(sklearn.metrics.roc_auc_score(labels, score))
    assert metrics.auprc == pytest.approx(sklearn.metrics.average_precision_score(labels, score))
    assert metrics.f1 == pytest.approx(sklearn.metrics.f1_score(labels, predicted, zero_division=0))
    assert metrics.precision == pytest.approx(sklearn.metrics.precision_score(labels, predicted, zero_division=0))
    assert metrics.recall == pytest.approx(sklearn.metrics.recall_score(labels, predicted))
    assert metrics.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    assert metrics.mcc == pytest.approx(sklearn.metrics.matthews_corrcoef(labels, predicted), abs=1e-12)
    assert metrics.loss == pytest.approx(sklearn.metrics.log_loss(labels, sigmoid(score)))
    tn, fp, fn, tp = sklearn.metrics.confusion_matrix(labels, predicted, labels=[0, 1]).ravel()
    counted = (metrics.true_negatives, metrics.false_positives, metrics.false_negatives, metrics.true_positives)
    assert counted == (tn, fp, fn, tp)


@settings(max_examples=60, deadline=None)
@given(LABELLED)
def test_no_threshold_beats_the_best_one(rows: list[tuple[int, int]]) -> None:
    labels, score = _arrays(rows)
    probability = sigmoid(score)

    threshold = best_threshold(labels, probability)

    best = max(confusion(labels, probability >= other).f1 for other in [*probability, 0.0, 1.1])
    assert confusion(labels, probability >= threshold).f1 == pytest.approx(best)


def test_the_threshold_lies_in_the_middle_of_the_gap() -> None:
    assert best_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9])) == pytest.approx(0.4)


def test_a_single_class_has_no_ranking_scores() -> None:
    ones = np.ones(3, dtype=np.int64)

    assert auroc(ones, np.array([0.1, 0.2, 0.3])) is None
    assert vulnerability_detection_score(ones, np.array([0.1, 0.2, 0.3])) is None
    assert auprc(1 - ones, np.array([0.1, 0.2, 0.3])) is None


def test_vd_s_is_the_miss_rate_where_at_most_one_negative_in_200_is_flagged() -> None:
    # 400 negatives: 0.5 % are two. Four positives: two above every negative, one below the second, one below the third.
    labels = np.array([1, 1, 0, 0, 1, 0, 1] + [0] * 397)
    scores = np.arange(len(labels), 0, -1, dtype=np.float64)

    assert vulnerability_detection_score(labels, scores) == pytest.approx(1 / 4)


def test_vd_s_is_1_when_the_best_score_is_shared_with_too_many_negatives() -> None:
    assert vulnerability_detection_score(np.array([1, 0, 0]), np.array([0.5, 0.5, 0.1])) == 1.0


def test_calibration_error_is_the_mean_gap_per_bin() -> None:
    # Two bins of 15: three rows at 0.5 of which one is positive, one row at 1.0 that is negative.
    labels = np.array([1, 0, 0, 0])
    probability = np.array([0.5, 0.5, 0.5, 1.0])

    assert expected_calibration_error(labels, probability) == pytest.approx((0.5 + 1.0) / 4)


def test_calling_everything_vulnerable_scores_by_prevalence() -> None:
    assert all_positive_f1(np.array([1, 0])) == pytest.approx(2 / 3)


def test_the_temperature_moves_probabilities_but_not_the_ranking() -> None:
    labels = np.array([0, 1, 0, 1])
    logits = np.array([[0, -3], [0, 2], [0, 1], [0, 4]], dtype=np.float32)

    cold = compute_metrics(labels, logits, threshold=0.5, temperature=1.0)
    warm = compute_metrics(labels, logits, threshold=0.5, temperature=4.0)

    assert cold.auroc == warm.auroc
    assert cold.ece != warm.ece
