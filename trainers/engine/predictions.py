"""`predictions/<split>.arrow`: a trained model's outputs for every function of a split, ready to be memory-mapped."""

# Shapes: R rows, C classes (2), D width of the pooled embedding.
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cellgate.contract.artifacts import predictions_name
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError
from cellgate.contract.files import atomic_file


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """One split's predictions, row by row.

    Args:
        rows_R: Rows of the data set, int64, ascending.
        ids: The functions' ids.
        labels_R: 0 or 1, int64.
        logits_RC: Uncalibrated, float32.
        embeddings_RD: Pooled representation, float32.
        linear_R: Log-odds of the linear model that the network is mixed with, float32; null
            where there is none.
    """

    rows_R: NDArray[np.int64]
    ids: list[str]
    labels_R: NDArray[np.int64]
    logits_RC: NDArray[np.float32]
    embeddings_RD: NDArray[np.float32]
    linear_R: NDArray[np.float32] | None = None


def predictions_path(out: Path, split: Split | str) -> Path:
    """Return where a run keeps its predictions of a split."""
    return out / predictions_name(Split(split))


def _fixed_lists(matrix: NDArray[np.float32]) -> Any:
    values = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write an Arrow IPC file, atomically."""
    columns = {
        "row": pa.array(predictions.rows_R, pa.int64()),
        "id": pa.array(predictions.ids, pa.string()),
        "label": pa.array(predictions.labels_R, pa.int8()),
        "logits": _fixed_lists(predictions.logits_RC),
        "embedding": _fixed_lists(predictions.embeddings_RD),
    }
    if predictions.linear_R is not None:
        columns["linear"] = pa.array(predictions.linear_R, pa.float32())
    table = pa.table(columns)
    with atomic_file(path) as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_predictions(path: Path) -> Predictions:
    """Read a predictions file.

    Raises:
        DataError: It is missing, or is not such a file.
    """
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()
        return Predictions(
            rows_R=table["row"].to_numpy(),
            ids=table["id"].to_pylist(),
            labels_R=table["label"].to_numpy().astype(np.int64),
            logits_RC=_matrix(table["logits"]),
            embeddings_RD=_matrix(table["embedding"]),
            linear_R=table["linear"].to_numpy() if "linear" in table.column_names else None,
        )
    except (OSError, KeyError, ValueError, AttributeError, pa.ArrowException) as error:
        raise DataError.unreadable(
            path,
            "the predictions cannot be read",
            error,
            expected="an Arrow file with row, id, label, logits and embedding",
            fix="run the cell that makes it again",
        ) from error


def _matrix(column: Any) -> NDArray[np.float32]:
    array = column.combine_chunks()
    width = array.type.list_size
    values = array.flatten().to_numpy(zero_copy_only=False)
    matrix: NDArray[np.float32] = values.reshape(-1, width).astype(np.float32, copy=False)
    return matrix
