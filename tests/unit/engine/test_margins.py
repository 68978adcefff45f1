"""What a finished run says of abstention: every margin, of its own calibrated calls."""

import math

import numpy as np
import pytest

from cellgate.contract.configs import Split
from trainers.engine.finish import margins_of
from trainers.engine.predictions import Predictions


def predicted(labels: list[int], log_odds: list[float]) -> Predictions:
    rows = len(labels)
    return Predictions(
        rows_R=np.arange(rows),
        ids=[str(row) for row in range(rows)],
        labels_R=np.array(labels),
        logits_RC=np.array([[0, one] for one in log_odds], dtype=np.float32),
        embeddings_RD=np.zeros((rows, 1), dtype=np.float32),
    )


def test_margins_are_measured_on_gate_around_the_threshold_after_calibration() -> None:
    # Divided by the temperature, dev's log-odds are 1 to 20 above a threshold of log-odds 1, and all calls are right.
    dev = predicted([1] * 20, [2.0 * (1 + distance) for distance in range(1, 21)])
    # On gate: 20.5 and 19.5 above it, of which the second is wrong, and 0.5 below it.
    gate = predicted([1, 0, 0], [2 * 21.5, 2 * 20.5, 2 * 0.5])

    found = margins_of({Split.DEV: dev, Split.GATE: gate}, threshold=1 / (1 + math.exp(-1)), temperature=2.0)

    widest, least = found[-1], found[0]
    assert len(found) == 20
    assert (least.margin, least.coverage, least.risk) == pytest.approx((0.0, 1.0, 1 / 3))
    assert (widest.margin, widest.coverage, widest.risk) == pytest.approx((20.0, 1 / 3, 0.0))
    # Clopper and Pearson: of 20 without a mistake, with the confidence shared among 20 margins.
    assert least.risk_bound == pytest.approx(1 - 0.0025 ** (1 / 20))


def test_a_run_without_a_gate_split_has_no_margins() -> None:
    assert margins_of({Split.DEV: predicted([1], [1.0])}, threshold=0.5, temperature=1.0) == []
