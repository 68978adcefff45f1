"""Logistic regression over hashed counts, weighted by TF-IDF: fitted in seconds, and hard to beat on real functions."""

# Shapes: F functions, V views of a function, K buckets of all views, U buckets in use, N counts of all functions.
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from cellgate.contract.errors import DataError
from cellgate.contract.files import write_bytes
from trainers.engine.metrics import Floats
from trainers.models.linear.hashing import BUCKETS, Found

# A bucket that fewer functions of train have says more about them than about their label.
MIN_FUNCTIONS = 3
FORMAT = "2"
# A damaged file asks for no more memory than this many have.
MOST_VIEWS = 16


@dataclass(frozen=True, kw_only=True)
class LinearModel:
    """Log-odds that a function is vulnerable, from its counts: of each view alike, however many patterns it has.

    Args:
        weight_K: Of each bucket, float32; 0 where too few functions of train have it.
        idf_K: What each bucket's count is multiplied by, float32; 0 likewise.
        bias: Added.
    """

    weight_K: NDArray[np.float32]
    idf_K: NDArray[np.float32]
    bias: float

    @classmethod
    def fit(cls, count_FK: sparse.csr_matrix, labels_F: NDArray[np.int64], *, strength: float) -> Self:
        """Fit one on functions of both classes.

        Args:
            strength: Inverse regularisation.

        Source:
            Sublinear TF-IDF: Salton and Buckley 1988, doi 10.1016/0306-4573(88)90021-0.
        """
        idf_K = _idf(count_FK)
        bucket_U = np.flatnonzero(idf_K)
        regression = LogisticRegression(C=strength, solver="liblinear", tol=1e-3, max_iter=1_000, random_state=0)
        regression.fit(_columns(_weighted(count_FK, idf_K), bucket_U), labels_F)
        weight_K = _spread(bucket_U, regression.coef_[0].astype(np.float32), len(idf_K))
        return cls(weight_K=weight_K, idf_K=idf_K, bias=float(regression.intercept_[0]))

    @property
    def views(self) -> int:
        """V."""
        return len(self.idf_K) // BUCKETS

    def log_odds(self, count_FK: sparse.csr_matrix) -> Floats:
        """Return the log-odds of each function, (F,), float64."""
        log_odds_F: Floats = _weighted(count_FK, self.idf_K) @ self.weight_K.astype(np.float64) + self.bias
        return log_odds_F

    def contributions(self, found: Found) -> list[Floats]:
        """Return what each item adds to its function's log-odds, by function: a pattern's share, its items alike.

        Exact: with the bias they add up to the log-odds.
        """
        function_N, bucket_N = found.cells()
        buckets = len(self.idf_K)
        cell_N = function_N * buckets + bucket_N
        cell_U, place_N, count_U = np.unique(cell_N, return_inverse=True, return_counts=True)
        function_U, bucket_U = np.divmod(cell_U, buckets)
        value_U = _to_one_length((1 + np.log(count_U)) * self.idf_K[bucket_U], function_U, bucket_U, views=self.views)
        share_U = value_U * self.weight_K[bucket_U] / count_U
        adds_T = np.zeros(len(found.function_T))
        share_N = share_U[place_N]
        for kind in found.patterns:
            of_kind, share_N = np.split(share_N, [len(kind.hash_N)])
            for place_of_one in kind.places:
                np.add.at(adds_T, place_of_one, of_kind / len(kind.places))
        ends = np.searchsorted(found.function_T, np.arange(1, found.functions))
        return np.split(adds_T, ends)

    def write(self, path: Path) -> None:
        """Write the model as safetensors, atomically; only the buckets that count."""
        bucket_U = np.flatnonzero(self.idf_K).astype(np.int32)
        arrays: dict[str, NDArray[Any]] = {
            "bucket": bucket_U,
            "weight": self.weight_K[bucket_U],
            "idf": self.idf_K[bucket_U],
            "bias": np.array([self.bias], dtype=np.float64),
            "views": np.array([self.views], dtype=np.int32),
        }
        # One word: the library writes several in another order each time, and equal models would not be equal files.
        write_bytes(path, safetensors.numpy.save(arrays, metadata={"format": FORMAT}))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            DataError: It is missing or damaged, or of another version.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                # First: another format has other arrays.
                if metadata["format"] != FORMAT:
                    raise ValueError(f"format {metadata['format']}, and this version reads {FORMAT}")
                arrays = {name: file.get_tensor(name) for name in ("bucket", "weight", "idf", "bias", "views")}
            views = int(arrays["views"].item())
            if not 0 < views <= MOST_VIEWS:
                raise ValueError(f"{views} views, and there are 1 to {MOST_VIEWS}")
            buckets = BUCKETS * views
            return cls(
                weight_K=_spread(arrays["bucket"], arrays["weight"], buckets),
                idf_K=_spread(arrays["bucket"], arrays["idf"], buckets),
                bias=float(arrays["bias"].item()),
            )
        except (OSError, KeyError, ValueError, IndexError, SafetensorError) as error:
            raise DataError.unreadable(
                path,
                "the linear model cannot be read",
                error,
                expected="the file that training wrote beside the network",
                fix="train the model again",
            ) from error


def _idf(count_FK: sparse.csr_matrix) -> NDArray[np.float32]:
    """Return the smoothed inverse document frequency of each bucket, 0 where too few functions have it."""
    functions_K = np.bincount(count_FK.indices, minlength=count_FK.shape[1])
    bucket_U = np.flatnonzero(functions_K >= MIN_FUNCTIONS)
    idf_U = np.log((1 + count_FK.shape[0]) / (1 + functions_K[bucket_U])) + 1
    return _spread(bucket_U, idf_U.astype(np.float32), count_FK.shape[1])


def _columns(matrix_FK: sparse.csr_matrix, bucket_U: NDArray[np.int64]) -> sparse.csr_matrix:
    """Return the matrix without the buckets that it has no value in: the solver goes through each of them, (F, U)."""
    place_K = np.zeros(matrix_FK.shape[1], dtype=np.int32)
    place_K[bucket_U] = np.arange(len(bucket_U))
    shape = (matrix_FK.shape[0], max(1, len(bucket_U)))
    return sparse.csr_matrix((matrix_FK.data, place_K[matrix_FK.indices], matrix_FK.indptr), shape=shape)


def _weighted(count_FK: sparse.csr_matrix, idf_K: NDArray[np.float32]) -> sparse.csr_matrix:
    """Return (1 + ln count) * idf, each function's values to one length in each view."""
    function_N = np.repeat(np.arange(count_FK.shape[0], dtype=np.int32), np.diff(count_FK.indptr))
    value_N = (1 + np.log(count_FK.data)) * idf_K[count_FK.indices]
    value_N = _to_one_length(value_N, function_N, count_FK.indices, views=len(idf_K) // BUCKETS)
    weighted_FK = sparse.csr_matrix((value_N, count_FK.indices.copy(), count_FK.indptr.copy()), shape=count_FK.shape)
    weighted_FK.eliminate_zeros()
    return weighted_FK


def _to_one_length(
    value_N: NDArray[np.floating], function_N: NDArray[np.integer], bucket_N: NDArray[np.integer], *, views: int
) -> NDArray[np.floating]:
    """Return values that have, in each function and view, the length of 1 / sqrt(views): 1 over all."""
    group_N = function_N * views + bucket_N // BUCKETS
    length_G = np.sqrt(np.bincount(group_N, weights=np.square(value_N)) * views)
    # A float32 holds 1e-30, and no count that has a value is so short.
    return value_N / np.maximum(length_G, 1e-30).astype(value_N.dtype)[group_N]


def _spread(bucket_U: NDArray[np.integer], value_U: NDArray[np.float32], buckets: int) -> NDArray[np.float32]:
    value_K = np.zeros(buckets, dtype=np.float32)
    value_K[bucket_U] = value_U
    return value_K
