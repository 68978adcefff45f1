"""Finished runs, opened for reading: checked against the data set, their predictions joined to it by id."""

# Shapes: R rows of a split.
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from cellgate.contract.artifacts import RESULT_NAME
from cellgate.contract.cells import Cell
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError, InputError, SpecError
from cellgate.contract.files import sha256_of_file
from cellgate.contract.results import RunResult, read_result
from trainers.data.dataset import Dataset
from trainers.engine.predictions import Predictions, predictions_path, read_predictions

MAX_NAMED_IDS = 5


@dataclass(frozen=True, kw_only=True)
class WantedRun:
    """A run that a spec names.

    Args:
        where: JSON pointer into the spec.
        cell: Which cell it must be of.
        seed: Which seed it must have.
        path: Its output folder.
    """

    where: str
    cell: Cell
    seed: int
    path: Path


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run whose result was read and fits what was wanted."""

    cell: Cell
    seed: int
    path: Path
    result: RunResult

    @property
    def name(self) -> str:
        """The run in words: cell and seed."""
        return f"{self.cell.label}/{self.seed}"

    @property
    def temperature(self) -> float:
        """What its logits are divided by to be calibrated."""
        return self.result.temperature or 1.0

    @property
    def threshold(self) -> float:
        """The calibrated probability at or above which it predicts "vulnerable"."""
        return 0.5 if self.result.threshold is None else self.result.threshold


def open_runs(wanted: Sequence[WantedRun], *, dataset: Dataset) -> list[FinishedRun]:
    """Return the runs, in the order of `wanted`.

    Raises:
        DataError: A result is missing or damaged; all of them are named.
        SpecError: A run is of another cell, seed or data set; all of them are named.
    """
    unreadable: list[InputError] = []
    wrong: list[InputError] = []
    runs: list[FinishedRun] = []
    for want in wanted:
        try:
            result = read_result(want.path / RESULT_NAME)
        except (OSError, ValueError) as error:
            unreadable.append(_unreadable(want, error))
            continue
        wrong.extend(_mismatches(want, result, dataset.id))
        runs.append(FinishedRun(cell=want.cell, seed=want.seed, path=want.path, result=result))
    if unreadable:
        raise DataError("runs to build on have no valid result", unreadable)
    if wrong:
        raise SpecError("runs to build on do not fit the spec", wrong)
    return runs


def _unreadable(want: WantedRun, error: OSError | ValueError) -> InputError:
    what = f"{error.error_count()} schema mistakes" if isinstance(error, ValidationError) else str(error)
    return InputError(
        where=f"{want.where}: {want.path / RESULT_NAME}",
        found=what,
        expected="the result of a finished run",
        fix="name a run that succeeded",
    )


def _mismatches(want: WantedRun, result: RunResult, dataset_id: str) -> list[InputError]:
    facts = (
        ("cell", str(result.cell), want.cell.value),
        ("seed", str(result.seed), str(want.seed)),
        ("dataset_id", result.dataset_id, dataset_id),
    )
    return [
        InputError(
            where=want.where,
            found=f"{name} {found}",
            expected=f"{name} {expected}",
            fix="name a run that was trained so",
        )
        for name, found, expected in facts
        if found != expected
    ]


def read_joined(wanted: Sequence[tuple[FinishedRun, Split]], *, dataset: Dataset) -> list[Predictions]:
    """Return each run's predictions of its split, in the data set's row order.

    Raises:
        DataError: A file is missing, damaged or not the one that its result vouches for, or its ids or labels are not
            the data set's; everything wrong in any of them is named.
    """
    problems: list[InputError] = []
    joined: list[Predictions] = []
    for run, split in wanted:
        try:
            joined.append(_joined(run, split, dataset))
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(f"predictions do not belong to data set {dataset.id}", problems)
    return joined


def _joined(run: FinishedRun, split: Split, dataset: Dataset) -> Predictions:
    rows_R = dataset.rows(split)
    ids = dataset.ids(rows_R)
    path = predictions_path(run.path, split)
    where = f"{run.name}, {split.value}"
    predictions = read_predictions(path)
    problems = [*_wrong_hash(run, path, where), *_wrong_ids(predictions.ids, ids, where)]
    if not problems:
        predictions = _reordered(predictions, ids, rows_R)
        problems = _wrong_labels(predictions, dataset.labels(rows_R), where)
    if problems:
        raise DataError(f"{path}: the predictions do not fit", problems)
    return predictions


def _wrong_hash(run: FinishedRun, path: Path, where: str) -> list[InputError]:
    name = path.relative_to(run.path).as_posix()
    expected, found = run.result.artifacts.get(name, "no such file"), sha256_of_file(path)
    if found == expected:
        return []
    return [InputError(where=where, found=found, expected=f"{expected}, as in its result", fix="run the cell again")]


def _wrong_ids(found: Sequence[str], expected: Sequence[str], where: str) -> list[InputError]:
    have, want = Counter(found), Counter(expected)
    missing, extra = sorted((want - have).elements()), sorted((have - want).elements())
    problems = []
    if missing:
        problems.append(InputError(where=where, found=f"no row for {_named(missing)}", expected="one row for each id"))
    if extra:
        problems.append(
            InputError(where=where, found=f"extra rows for {_named(extra)}", expected="the data set's ids alone")
        )
    return problems


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MAX_NAMED_IDS} more" if len(ids) > MAX_NAMED_IDS else ""
    return f"{', '.join(ids[:MAX_NAMED_IDS])}{more}"


def _reordered(predictions: Predictions, ids: Sequence[str], rows_R: np.ndarray) -> Predictions:
    place = {name: index for index, name in enumerate(predictions.ids)}
    order_R = np.array([place[name] for name in ids], dtype=np.int64)
    return Predictions(
        rows_R=rows_R,
        ids=list(ids),
        labels_R=predictions.labels_R[order_R],
        logits_RC=predictions.logits_RC[order_R],
        embeddings_RD=predictions.embeddings_RD[order_R],
        linear_R=None if predictions.linear_R is None else predictions.linear_R[order_R],
    )


def _wrong_labels(predictions: Predictions, labels_R: np.ndarray, where: str) -> list[InputError]:
    wrong = np.flatnonzero(predictions.labels_R != labels_R)
    if not len(wrong):
        return []
    names = [predictions.ids[int(place)] for place in wrong]
    return [InputError(where=where, found=f"another label for {_named(names)}", expected="the data set's labels")]
