"""Scores of any detector: a JSONL or CSV file with an id and a probability of each function, or an analyser's log."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.untrusted_files import open_regular
from trainers.engine.metrics import Floats
from trainers.evaluation.sarif_scores import is_sarif, read_sarif_scores

COLUMNS = ("id", "probability")
MOST_NAMED = 20
MOST_LINE_CHARS = 100_000
FIX = 'write one line for each function: {"id": "…", "probability": 0.5}, or CSV with the columns id and probability'


def read_scores(path: Path, ids: Sequence[str]) -> Floats:
    """Return the probability of each function, in the order of `ids`; scores of other functions are left alone.

    Args:
        path: A `.csv` file, a SARIF log (`.sarif`, `.sarif.json`), or one JSON object per line.
        ids: Of the functions that are judged.

    Raises:
        DataError: The file cannot be read, a line is no score, or a function has none or two; all are named.
    """
    if is_sarif(path):
        return read_sarif_scores(path, ids)
    wanted = set(ids)
    found: dict[str, float] = {}
    problems: list[InputError] = []
    try:
        for number, row in _rows(path):
            name, probability = _score(row)
            if name is None or probability is None:
                problems.append(_wrong(f"line {number}", f"{str(row)[:80]}", "an id, and a probability from 0 to 1"))
            elif name in found:
                problems.append(_wrong(f"line {number}", f"a second score of {name}", "one score per function"))
            elif name in wanted:
                found[name] = probability
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: the scores cannot be read", [_wrong(str(path), f"{type(error).__name__}: {error}", "a text file")]
        ) from error
    missing = [name for name in ids if name not in found]
    if missing:
        shown = ", ".join(missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        problems.append(_wrong(str(path), f"no score of {shown}{more}", "a score of every function that is judged"))
    if problems:
        raise DataError(f"{path}: {len(problems)} mistakes in the scores", problems[:MOST_NAMED])
    return np.array([found[name] for name in ids], dtype=np.float64)


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    # Spreadsheets begin their files with a byte-order mark.
    with open(open_regular(path), encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() == ".csv":
            rows = csv.DictReader(file)
            _refuse_other_columns(path, rows.fieldnames or ())
            yield from enumerate(rows, start=2)
            return
        number = 0
        while line := file.readline(MOST_LINE_CHARS):
            number += 1
            if line.strip():
                yield number, _json(line)


def _refuse_other_columns(path: Path, names: Sequence[str]) -> None:
    """Say once what every row would lack, such as after another separator.

    Raises:
        DataError: A column is missing.
    """
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        found = f"the columns {', '.join(names)[:80]}" if names else "no line"
        problem = _wrong(f"{path}, line 1", found, f"{' and '.join(missing)}, separated by commas")
        raise DataError(f"{path}: {' and '.join(missing)} missing in the scores", [problem])


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line


def _score(row: Any) -> tuple[str | None, float | None]:
    if not isinstance(row, Mapping):
        return None, None
    name, given = row.get("id"), row.get("probability")
    try:
        # True is a number to Python, and says nothing of a probability.
        probability = None if given is None or isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        probability = None
    in_range = probability is not None and 0 <= probability <= 1
    return (None if name is None else str(name)), (probability if in_range else None)


def _wrong(where: str, found: str, expected: str) -> InputError:
    return InputError(where=where, found=found, expected=expected, fix=FIX)
