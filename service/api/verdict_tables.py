"""What options and models say of single functions, read from what cell 54 has left."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellgate.contract.api.functions import FunctionErrors, FunctionPrediction, OptionErrors, SliceErrors
from cellgate.contract.artifacts import VERDICTS_NAME, VERDICTS_VERSION
from service.api.table_files import TableFile, Tables

MOST_SLICES = 50
# Of an option's errors, by what they are.
KINDS: Mapping[str, int] = {"false_positive": 0, "false_negative": 1}
COUNTED = """
SELECT v.option AS option, g.cwe AS cwe, g.project AS project, count(*) AS rows, sum(g.label) AS positives,
    sum(v.wrong * (1 - g.label)) AS false_positives, sum(v.wrong * g.label) AS false_negatives
FROM verdicts v JOIN gate g ON g.row = v.row GROUP BY v.option, g.cwe, g.project
"""
PAGE = """
SELECT g.row, g.id, g.name, g.label, g.cwe, g.project FROM gate g
WHERE g.row > ? AND (? IS NULL OR g.label = ?)
    AND EXISTS (SELECT 1 FROM verdicts v WHERE v.row = g.row AND v.wrong AND (? IS NULL OR v.option = ?))
ORDER BY g.row LIMIT ?
"""


@dataclass(frozen=True, kw_only=True)
class GateCounts:
    """How many functions the gate split has, and how many of them are vulnerable."""

    rows: int
    positives: int


def verdicts_in(folder: Path, run_id: str, *, vouched: bool) -> TableFile:
    """Return the verdicts that a run of cell 54 has left.

    Args:
        folder: The run's.
        run_id: For people.
        vouched: Whether its result says that it left them.
    """
    return TableFile(
        folder=folder,
        name=VERDICTS_NAME,
        version=VERDICTS_VERSION,
        whose=f"run {run_id}",
        older=f"run {run_id} weighed the options with an older release, which kept no verdicts of single functions: "
        "submit the experiment again",
        vouched=vouched,
    )


def gate_counts(tables: Tables) -> GateCounts:
    """Return the size of the gate split."""
    [row] = tables.rows("SELECT count(*) AS rows, coalesce(sum(label), 0) AS positives FROM gate")
    return GateCounts(rows=int(row["rows"]), positives=int(row["positives"]))


def option_errors(tables: Tables) -> list[OptionErrors]:
    """Return where each option errs, by weakness and by project; the order is that of the evidence."""
    counted: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in tables.rows(COUNTED):
        counted[row["option"]].append(dict(row))
    return [
        OptionErrors(
            option=row["option"],
            seeds=json.loads(row["seeds"]),
            threshold=row["threshold"],
            false_positives=sum(found["false_positives"] for found in counted[row["option"]]),
            false_negatives=sum(found["false_negatives"] for found in counted[row["option"]]),
            by_cwe=_slices(counted[row["option"]], "cwe"),
            by_project=_slices(counted[row["option"]], "project"),
        )
        for row in tables.rows("SELECT option, seeds, threshold FROM options ORDER BY place LIMIT 100")
    ]


def _slices(counted: Sequence[Mapping[str, Any]], column: str) -> list[SliceErrors]:
    """Return the slices with most errors; a function with several weaknesses counts for each."""
    names = ("rows", "positives", "false_positives", "false_negatives")
    totals: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(names, 0))
    for row in counted:
        whole = row[column] or ""
        for value in {part.strip() for part in whole.split(",")} if column == "cwe" else {whole}:
            for name in names:
                totals[value][name] += row[name]
    slices = [SliceErrors(value=value, **found) for value, found in totals.items()]
    return sorted(slices, key=lambda one: (-one.false_positives - one.false_negatives, one.value))[:MOST_SLICES]


def errors_in(
    tables: Tables, *, option: str | None, kind: str | None, after: int | None, limit: int
) -> list[FunctionErrors]:
    """Return a page of the functions on which an option errs, in the data set's order.

    Args:
        option: None: any of them.
        kind: Of error; None: both.
        after: Only rows with a higher number; None: from the first.
        limit: Functions at most.
    """
    label = None if kind is None else KINDS[kind]
    values = (-1 if after is None else after, label, label, option, option, limit)
    found = {int(row["row"]): dict(row) for row in tables.rows(PAGE, values)}
    marks = ", ".join("?" * len(found))
    verdicts: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    chosen = "SELECT v.row, v.option, v.probability, v.wrong, v.seeds_wrong FROM verdicts v JOIN options o "
    chosen += f"ON o.option = v.option WHERE v.row IN ({marks}) ORDER BY o.place"
    for row in tables.rows(chosen, list(found)):
        verdicts[int(row["row"])].append(dict(row))
    return [
        FunctionErrors.model_validate(
            {
                **columns,
                "probability": {one["option"]: one["probability"] for one in verdicts[row]},
                "wrong": [one["option"] for one in verdicts[row] if one["wrong"]],
                "seeds_wrong": {one["option"]: one["seeds_wrong"] for one in verdicts[row]},
            }
        )
        for row, columns in found.items()
    ]


def predictions_in(tables: Tables, row: int, runs: Mapping[tuple[int, int], str]) -> list[FunctionPrediction]:
    """Return what each model says of a function, by cell and seed.

    Args:
        row: Of the data set.
        runs: The run that trained each model, by cell and seed.
    """
    chosen = "SELECT cell, seed, probability, vulnerable FROM models WHERE row = ? ORDER BY cell, seed LIMIT 1000"
    return [
        FunctionPrediction.model_validate({**dict(one), "run": runs.get((one["cell"], one["seed"]))})
        for one in tables.rows(chosen, [row])
    ]
