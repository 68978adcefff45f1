"""How much of a split a model does not see, of all functions, of the vulnerable ones and of those that it misses."""

import numpy as np

from cellgate.contract.evidence import Truncation, summed
from trainers.engine.finish import TruncationMask, truncation_of
from trainers.engine.predictions import Predictions


def test_cut_functions_are_counted_among_all_the_vulnerable_and_the_missed() -> None:
    # rows 2, 4, 5, 7 of the data set; vulnerable: 2, 4, 7; called vulnerable: 2, 5; cut: 4, 5
    logits_RC = np.array([[0, 2], [0, -1], [0, 1], [0, -2]], dtype=np.float32)
    predictions = Predictions(
        rows_R=np.array([2, 4, 5, 7]),
        ids=["a", "b", "c", "d"],
        labels_R=np.array([1, 1, 0, 1]),
        logits_RC=logits_RC,
        embeddings_RD=np.zeros((4, 1), dtype=np.float32),
    )
    cut_F = np.zeros(9, dtype=np.bool_)
    cut_F[[0, 4, 5]] = True

    found = truncation_of(
        predictions, TruncationMask(limit=256, unit="tokens", rows_F=cut_F), threshold=0.5, temperature=1.0
    )

    assert found == Truncation(
        limit=256, unit="tokens", rows=4, rows_cut=2, positives=3, positives_cut=1, misses=2, misses_cut=1
    )
    assert summed([found, found]) == Truncation(
        limit=256, unit="tokens", rows=8, rows_cut=4, positives=6, positives_cut=2, misses=4, misses_cut=2
    )
