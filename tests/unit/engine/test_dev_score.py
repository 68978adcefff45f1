"""The scores of an evaluation on dev: each against scikit-learn, at the threshold that dev likes best."""

import numpy as np
import pytest
import sklearn.metrics

from trainers.engine.dev_score import score_dev

LABELS = np.array([1, 0, 1, 0, 1, 0, 0])
# Log-odds of the positive class. F1 is best at and above -0.6: three positives and one negative.
SCORES = np.array([2.0, 1.5, 0.8, -0.9, -0.6, -1.4, -3.0])


def logits(scores: np.ndarray) -> np.ndarray:
    return np.stack([-scores / 2, scores / 2], axis=1).astype(np.float32)


def test_every_score_is_that_of_scikit_learn_at_the_threshold_with_the_best_f1() -> None:
    predicted = SCORES >= -0.6
    probability = 1 / (1 + np.exp(-SCORES))

    found = score_dev(LABELS, logits(SCORES)).values

    assert found == pytest.approx(
        {
            "dev/f1": sklearn.metrics.f1_score(LABELS, predicted),
            "dev/loss": sklearn.metrics.log_loss(LABELS, probability),
            "dev/accuracy": sklearn.metrics.accuracy_score(LABELS, predicted),
            "dev/mcc": sklearn.metrics.matthews_corrcoef(LABELS, predicted),
            "dev/precision": sklearn.metrics.precision_score(LABELS, predicted),
            "dev/recall": sklearn.metrics.recall_score(LABELS, predicted),
            "dev/auroc": sklearn.metrics.roc_auc_score(LABELS, SCORES),
            "dev/auprc": sklearn.metrics.average_precision_score(LABELS, SCORES),
        }
    )
    # By hand: 3 of 3 found, 1 false alarm.
    assert found["dev/f1"] == pytest.approx(6 / 7)


def test_a_score_that_a_single_class_does_not_have_is_left_out() -> None:
    found = score_dev(np.zeros(3, dtype=np.int64), logits(np.array([-1.0, 0.5, 2.0])))

    assert "dev/auroc" not in found.values
    assert "dev/auprc" not in found.values
    assert found.order[0] == 0.0


def test_the_auroc_decides_and_then_the_lower_loss() -> None:
    perfect = np.where(LABELS == 1, 1.0, -1.0)

    ranked, sure, wrong = (score_dev(LABELS, logits(scores)) for scores in (perfect, 4 * perfect, SCORES))

    assert ranked.order == [1.0, -ranked.values["dev/loss"]]
    assert sure.order > ranked.order > wrong.order
