"""Predictions on disk."""

from pathlib import Path

import numpy as np
import pytest

from cellgate.contract.errors import DataError
from trainers.engine.predictions import Predictions, predictions_path, read_predictions, write_predictions


def test_predictions_read_back_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written = Predictions(
        rows_R=np.array([2, 5, 9]),
        ids=["a", "b", "ü"],
        labels_R=np.array([0, 1, 1]),
        logits_RC=rng.normal(size=(3, 2)).astype(np.float32),
        embeddings_RD=rng.normal(size=(3, 5)).astype(np.float32),
        linear_R=rng.normal(size=3).astype(np.float32),
    )
    path = predictions_path(tmp_path, "gate")

    write_predictions(path, written)
    read = read_predictions(path)

    assert path == tmp_path / "predictions" / "gate.arrow"
    assert read.ids == written.ids
    for name in ("rows_R", "labels_R", "logits_RC", "embeddings_RD", "linear_R"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        assert getattr(read, name).dtype == getattr(written, name).dtype


@pytest.mark.parametrize("content", [None, b"", b"not arrow"])
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "gate.arrow"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match=r"gate\.arrow"):
        read_predictions(path)
