"""The linear model of a data set, shared by all seeds: over the functions' text, or over their graphs."""

# Shapes: F functions of the data set, R of some, K buckets.
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError
from cellgate.contract.files import atomic_file, sha256_of_json
from trainers.data.dataset import Dataset
from trainers.data.writing import cached_if_possible
from trainers.engine.environment import code_version
from trainers.engine.metrics import Floats, auroc
from trainers.engine.task import Rows, Task
from trainers.models.linear.graph import patterns_of_graphs
from trainers.models.linear.mixed import MixedTask
from trainers.models.linear.model import LinearModel
from trainers.models.linear.saved import LinearPart
from trainers.models.linear.text import patterns_of_text

FOLDER = "linear"
VERDICTS_NAME = "log_odds.npy"
MODEL_NAME = "model.safetensors"
# Inverse regularisation, tried until dev is ranked worse: real functions ask for 1, generated ones for 30.
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
# Functions of the rarer class in train from which on there is a linear model.
MIN_FUNCTIONS = 10
# Of train, those that are fitted on at most, and those that are counted at once: memory does not grow with the set.
MAX_FITTED = 30_000
CHUNK = 2_000
# Counts the things of some functions of the data set, float32, (R, K).
Counter = Callable[[Rows], sparse.csr_matrix]


@dataclass(frozen=True, kw_only=True)
class LinearBase:
    """A linear model fitted on train, and its log-odds of every function of the data set, float32, (F,)."""

    model: LinearModel
    log_odds_F: NDArray[np.float32]


def text_base(dataset: Dataset, *, cache: Path) -> LinearBase | None:
    """Return the linear model over the n-grams of the functions' text; see `linear_base`."""
    return linear_base(dataset, _of_text(dataset), kind="text", cache=cache)


def graph_base(dataset: Dataset, *, cache: Path) -> LinearBase | None:
    """Return the linear model over the patterns of the functions' graphs; see `linear_base`."""
    return linear_base(dataset, _of_graphs(dataset), kind="graph", cache=cache)


def text_as_saved(task: Task, folder: Path, dataset: Dataset) -> Task:
    """Return a trained text network's task, mixed with the linear model in its folder, if there is one.

    Raises:
        DataError: The linear model is damaged.
    """
    return _as_saved(task, folder, dataset, _of_text(dataset))


def graph_as_saved(task: Task, folder: Path, dataset: Dataset) -> Task:
    """Return a trained graph network's task, mixed with the linear model in its folder, if there is one.

    Raises:
        DataError: The linear model is damaged.
    """
    return _as_saved(task, folder, dataset, _of_graphs(dataset))


def _of_text(dataset: Dataset) -> Counter:
    return lambda rows: patterns_of_text(dataset.sources(rows)).counted()


def _of_graphs(dataset: Dataset) -> Counter:
    return lambda rows: patterns_of_graphs(dataset, rows).counted()


def _as_saved(task: Task, folder: Path, dataset: Dataset, count: Counter) -> Task:
    part = LinearPart.find(folder)
    if part is None:
        return task
    return MixedTask(task, _verdicts(part.model, dataset, count).astype(np.float32), mix=part.mix)


def linear_base(dataset: Dataset, count: Counter, *, kind: str, cache: Path) -> LinearBase | None:
    """Return the linear model of a data set; null where train has too few functions of a class for one.

    Args:
        dataset: With train and dev.
        count: Counts what the model reads of functions.
        kind: What it counts; part of the cache's key.
        cache: Folder in which the other seeds find the model.
    """
    labels = dataset.labels(_fitted_rows(dataset))
    if np.bincount(labels, minlength=2).min() < MIN_FUNCTIONS:
        return None
    key = sha256_of_json({"dataset": dataset.id, "kind": kind, "code": code_version()}).removeprefix("sha256:")
    folder = cache / FOLDER / key
    base = _read_cached(folder, functions=len(dataset))
    if base is None:
        base = _fit(dataset, count)
        with cached_if_possible():
            base.model.write(folder / MODEL_NAME)
            # Last: whoever finds it finds the model too.
            with atomic_file(folder / VERDICTS_NAME) as file:
                np.save(file, base.log_odds_F, allow_pickle=False)
    return base


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
    count_TK, dev_counts, dev_labels = count(train), count(dev), dataset.labels(dev)

    def fitted(strength: float) -> tuple[LinearModel, float]:
        model = LinearModel.fit(count_TK, dataset.labels(train), strength=strength)
        return model, auroc(dev_labels, model.log_odds(dev_counts)) or 0.5

    best, score = fitted(STRENGTHS[0])
    for strength in STRENGTHS[1:]:
        model, reached = fitted(strength)
        # Of equals the first: where dev ranks nothing, the strongest regularisation.
        if reached <= score:
            break
        best, score = model, reached
    return LinearBase(model=best, log_odds_F=_verdicts(best, dataset, count).astype(np.float32))


def _verdicts(model: LinearModel, dataset: Dataset, count: Counter) -> Floats:
    """Return the log-odds of every function of the data set, (F,)."""
    rows = np.arange(len(dataset))
    return np.concatenate([model.log_odds(count(rows[first : first + CHUNK])) for first in range(0, len(rows), CHUNK)])


def _fitted_rows(dataset: Dataset) -> Rows:
    """Return rows of train, evenly spaced, so that every part of a file that is ordered by project is seen."""
    rows = dataset.rows(Split.TRAIN)
    return rows[:: max(1, -(-len(rows) // MAX_FITTED))]
