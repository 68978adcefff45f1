"""The linear model that a network starts from: the network learns what it leaves unexplained.

Source:
    A model fitted to what another one leaves: Friedman 2001, doi 10.1214/aos/1013203451; a wide linear model beside a
    deep one: Cheng et al. 2016, arXiv 1606.07792. The verdicts on train are out of fold, as in stacking: Wolpert 1992,
    doi 10.1016/S0893-6080(05)80023-1.
"""

# Shapes: F functions of the data set, T of train, K buckets.
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError
from cellgate.contract.files import atomic_file, sha256_of_json
from trainers.data.dataset import Dataset
from trainers.engine.environment import code_version
from trainers.engine.metrics import Floats, auroc
from trainers.engine.task import Rows
from trainers.models.linear.graph import patterns_of_graphs
from trainers.models.linear.model import LinearModel
from trainers.models.linear.text import patterns_of_text

FOLDER = "linear"
MODEL_NAME = "linear.safetensors"
VERDICTS_NAME = "log_odds.npy"
# Inverse regularisation; the best on dev is taken.
STRENGTHS = (0.3, 1.0, 3.0)
FOLDS = 5
# Groups of each class in train from which on there is a linear model: each fold needs some.
MIN_GROUPS = 2 * FOLDS
# Of train, those that are fitted on at most, and those that are counted at once: memory does not grow with the set.
MAX_FITTED = 30_000
CHUNK = 2_000
# Counts the things of some functions of the data set, float32, (R, K).
Counter = Callable[[Rows], sparse.csr_matrix]


@dataclass(frozen=True, kw_only=True)
class LinearBase:
    """A fitted linear model, and its verdict on every function of the data set.

    Args:
        model: Fitted on train, its log-odds calibrated.
        log_odds_F: Of every function, float32. That of a function of train comes from a model that has not seen it,
            so that the network meets the errors that the linear model makes on new functions.
    """

    model: LinearModel
    log_odds_F: NDArray[np.float32]

    def save(self, folder: Path) -> None:
        """Write the model into a folder, beside the network that was trained over it."""
        self.model.write(folder / MODEL_NAME)


def saving_both(base: LinearBase | None, save: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what saves a network, and beside it the linear model that it was trained over, if any."""

    def save_both(folder: Path) -> None:
        save(folder)
        if base is not None:
            base.save(folder)

    return save_both


def read_linear(folder: Path) -> LinearModel | None:
    """Return the linear model in a network's folder; null where it was trained without one.

    Raises:
        DataError: It is damaged.
    """
    path = folder / MODEL_NAME
    return LinearModel.read(path) if path.exists() else None


def saved_text_base(folder: Path, dataset: Dataset) -> LinearBase | None:
    """Return the linear model in a trained text network's folder, with its verdicts on a data set; null without one."""
    return _saved(folder, dataset, lambda rows: patterns_of_text(dataset.sources(rows)).counted())


def saved_graph_base(folder: Path, dataset: Dataset) -> LinearBase | None:
    """Return the linear model in a trained graph network's folder, with its verdicts on a data set; null without."""
    return _saved(folder, dataset, lambda rows: patterns_of_graphs(dataset, rows).counted())


def _saved(folder: Path, dataset: Dataset, count: Counter) -> LinearBase | None:
    model = read_linear(folder)
    if model is None:
        return None
    return LinearBase(model=model, log_odds_F=_verdicts(model, dataset, count).astype(np.float32))


def _verdicts(model: LinearModel, dataset: Dataset, count: Counter) -> Floats:
    """Return the log-odds of every function of the data set, (F,)."""
    rows = np.arange(len(dataset))
    return np.concatenate([model.log_odds(count(rows[first : first + CHUNK])) for first in range(0, len(rows), CHUNK)])


def text_base(dataset: Dataset, *, cache: Path) -> LinearBase | None:
    """Return the linear model over the n-grams of the functions' text; see `linear_base`."""
    return linear_base(
        dataset, lambda rows: patterns_of_text(dataset.sources(rows)).counted(), kind="text", cache=cache
    )


def graph_base(dataset: Dataset, *, cache: Path) -> LinearBase | None:
    """Return the linear model over the patterns of the functions' graphs; see `linear_base`."""
    return linear_base(dataset, lambda rows: patterns_of_graphs(dataset, rows).counted(), kind="graph", cache=cache)


def linear_base(dataset: Dataset, count: Counter, *, kind: str, cache: Path) -> LinearBase | None:
    """Return the linear model of a data set; null where train has too few functions of a class for one.

    Args:
        dataset: With train and dev.
        count: Counts what the model reads of functions.
        kind: What it counts; part of the cache's key.
        cache: Folder in which the other seeds find the model.
    """
    if _groups_of_rarer_class(dataset) < MIN_GROUPS:
        return None
    key = sha256_of_json({"dataset": dataset.id, "kind": kind, "code": code_version()}).removeprefix("sha256:")
    folder = cache / FOLDER / key
    base = _read_cached(folder, functions=len(dataset))
    if base is None:
        base = _fit(dataset, count)
        base.save(folder)
        # Last: whoever finds it finds the model too.
        with atomic_file(folder / VERDICTS_NAME) as file:
            np.save(file, base.log_odds_F, allow_pickle=False)
    return base


def _groups_of_rarer_class(dataset: Dataset) -> int:
    rows = _fitted_rows(dataset)
    groups_T, labels_T = np.array(dataset.groups(rows)), dataset.labels(rows)
    return min(len(np.unique(groups_T[labels_T == label])) for label in (0, 1))


def _read_cached(folder: Path, *, functions: int) -> LinearBase | None:
    try:
        log_odds_F = np.load(folder / VERDICTS_NAME, allow_pickle=False)
        model = LinearModel.read(folder / MODEL_NAME)
    except (OSError, ValueError, EOFError, DataError):
        return None
    if log_odds_F.shape != (functions,):
        return None
    # Their time of modification is that of their last use, by which the service lets them go.
    for name in (MODEL_NAME, VERDICTS_NAME):
        with suppress(OSError):
            os.utime(folder / name)
    return LinearBase(model=model, log_odds_F=log_odds_F)


def _fit(dataset: Dataset, count: Counter) -> LinearBase:
    train, dev = _fitted_rows(dataset), dataset.rows(Split.DEV)
    labels_T, dev_labels = dataset.labels(train), dataset.labels(dev)
    count_TK, dev_counts = count(train), count(dev)
    fitted = {strength: LinearModel.fit(count_TK, labels_T, strength=strength) for strength in STRENGTHS}
    # The first of equals: where dev ranks nothing, the strongest regularisation.
    best = max(STRENGTHS, key=lambda strength: auroc(dev_labels, fitted[strength].log_odds(dev_counts)) or 0.5)
    unseen_T = _out_of_fold(count_TK, labels_T, np.array(dataset.groups(train)), strength=best)
    # Regularised log-odds are too near to the prior's.
    scale = LogisticRegression(C=np.inf, random_state=0).fit(unseen_T[:, None], labels_T)
    model = fitted[best].scaled(slope=float(scale.coef_[0, 0]), bias=float(scale.intercept_[0]))
    log_odds_F = _verdicts(model, dataset, count)
    log_odds_F[train] = scale.decision_function(unseen_T[:, None])
    return LinearBase(model=model, log_odds_F=log_odds_F.astype(np.float32))


def _fitted_rows(dataset: Dataset) -> Rows:
    """Return rows of train, evenly spaced, so that every part of a file that is ordered by project is seen."""
    rows = dataset.rows(Split.TRAIN)
    return rows[:: max(1, -(-len(rows) // MAX_FITTED))]


def _out_of_fold(
    count_TK: sparse.csr_matrix, labels_T: NDArray[np.int64], groups_T: NDArray[np.str_], *, strength: float
) -> Floats:
    """Return each function's log-odds from a model that was fitted on the groups of the other folds."""
    log_odds_T = np.zeros(len(labels_T))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for others, fold in folds.split(labels_T, labels_T, groups_T):
        model = LinearModel.fit(count_TK[others], labels_T[others], strength=strength)
        log_odds_T[fold] = model.log_odds(count_TK[fold])
    return log_odds_T
