"""`verdicts.sqlite`: what every option and every model says of single functions, for pages that show errors.

The options' verdicts are of the gate split, all their seeds together as a bundle of them would score. The models'
verdicts are of dev, fuse and gate: what they say of test is for the report alone.
"""

# Shapes: R rows of gate, K seeds of one option.
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from cellgate.contract.artifacts import VERDICTS_VERSION
from cellgate.contract.configs import Split
from cellgate.contract.files import write_bytes
from cellgate.contract.options import OPTIONS, Option
from trainers.data.clean.lexing import lex, own_names
from trainers.data.dataset import Dataset
from trainers.data.function_index import MOST_NAME
from trainers.engine.metrics import sigmoid
from trainers.evaluation.deployment_candidates import forms_of
from trainers.evaluation.options import Candidate

# The options that are one model each, and the number of its cell.
CELL_OF: Mapping[Option, int] = {"transformer": 51, "gnn": 52, "fusion": 53}
SHOWN = (Split.DEV, Split.FUSE, Split.GATE)
TABLES = """
CREATE TABLE gate (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT, label INTEGER NOT NULL, cwe TEXT, project TEXT
);
CREATE TABLE options (place INTEGER PRIMARY KEY, option TEXT NOT NULL, seeds TEXT NOT NULL, threshold REAL NOT NULL);
CREATE TABLE verdicts (
    row INTEGER NOT NULL, option TEXT NOT NULL, probability REAL NOT NULL, wrong INTEGER NOT NULL,
    seeds_wrong INTEGER NOT NULL, PRIMARY KEY (row, option)
) WITHOUT ROWID;
CREATE TABLE models (
    row INTEGER NOT NULL, cell INTEGER NOT NULL, seed INTEGER NOT NULL, probability REAL NOT NULL,
    vulnerable INTEGER NOT NULL, PRIMARY KEY (row, cell, seed)
) WITHOUT ROWID;
"""


def write_verdicts(path: Path, candidates: Sequence[Candidate], dataset: Dataset) -> None:
    """Write the verdicts, whole or not at all; the same inputs give the same bytes.

    Args:
        path: Replaced.
        candidates: Every option of every seed; all options have the same seeds.
        dataset: That they were trained on.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.execute("PRAGMA page_size = 4096")
        database.execute(f"PRAGMA user_version = {VERDICTS_VERSION}")
        database.executescript(TABLES)
        database.execute("BEGIN")
        database.executemany("INSERT INTO gate VALUES (?, ?, ?, ?, ?, ?)", _gate(dataset))
        for place, together in enumerate(_together(candidates, dataset)):
            seeds = json.dumps(list(together.seeds))
            option = (place, together.option, seeds, together.threshold)
            database.execute("INSERT INTO options VALUES (?, ?, ?, ?)", option)
            verdicts = _verdicts(together, candidates, dataset)
            database.executemany("INSERT INTO verdicts VALUES (?, ?, ?, ?, ?)", verdicts)
        for candidate in candidates:
            database.executemany("INSERT INTO models VALUES (?, ?, ?, ?, ?)", _of_model(candidate, dataset))
        database.execute("COMMIT")
        write_bytes(path, database.serialize())


def _gate(dataset: Dataset) -> Iterator[tuple[int | str | None, ...]]:
    rows = dataset.rows(Split.GATE)
    lexed = lex(dataset.sources(rows))
    names = own_names(lexed.words, lexed.own_F)
    yield from zip(
        rows.tolist(),
        dataset.ids(rows),
        (None if name is None else name[:MOST_NAME] for name in names),
        dataset.labels(rows).tolist(),
        dataset.cwes(rows),
        dataset.projects(rows),
        strict=True,
    )


def _together(candidates: Sequence[Candidate], dataset: Dataset) -> list[Candidate]:
    """Return each option that was measured, all its seeds as one; the order is that of the evidence."""
    measured = {candidate.option for candidate in candidates}
    labels_R = dataset.labels(dataset.rows(Split.DEV))
    return [forms_of(option.name, candidates, labels_R)[-1] for option in OPTIONS if option.name in measured]


def _verdicts(
    together: Candidate, candidates: Sequence[Candidate], dataset: Dataset
) -> Iterator[tuple[int, str, float, bool, int]]:
    rows = dataset.rows(Split.GATE)
    positive_R = dataset.labels(rows) == 1
    called_RK = np.stack([one.predicted(Split.GATE) for one in candidates if one.option == together.option], axis=1)
    columns = (
        sigmoid(together.log_odds[Split.GATE]).tolist(),
        (together.predicted(Split.GATE) != positive_R).tolist(),
        (called_RK != positive_R[:, np.newaxis]).sum(axis=1).tolist(),
    )
    for row, probability, wrong, seeds_wrong in zip(rows.tolist(), *columns, strict=True):
        yield row, together.option, probability, wrong, seeds_wrong


def _of_model(candidate: Candidate, dataset: Dataset) -> Iterator[tuple[int, int, int, float, bool]]:
    cell = CELL_OF.get(candidate.option)
    if cell is None:
        return
    (seed,) = candidate.seeds
    for split in SHOWN:
        if split not in candidate.log_odds:
            continue
        probabilities = sigmoid(candidate.log_odds[split]).tolist()
        called = candidate.predicted(split).tolist()
        for row, probability, vulnerable in zip(dataset.rows(split).tolist(), probabilities, called, strict=True):
            yield row, cell, seed, probability, vulnerable
