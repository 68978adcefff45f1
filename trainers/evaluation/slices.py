"""Which functions belong to which weakness and which project."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import Dataset

# The scores of a smaller slice mean nothing.
MIN_SLICE_ROWS = 5
SliceKind = Literal["cwe", "project"]


def rows_by_slice(dataset: Dataset, rows_R: NDArray[np.int64]) -> dict[SliceKind, dict[str, list[int]]]:
    """Return the places in `rows_R` of every weakness and every project that has enough of them.

    A function with several weaknesses, divided by commas, belongs to each.
    """
    values: dict[SliceKind, list[set[str]]] = {
        "cwe": [{name.strip() for name in (cwe or "").split(",")} for cwe in dataset.cwes(rows_R)],
        "project": [{project or ""} for project in dataset.projects(rows_R)],
    }
    return {kind: _places(names_R) for kind, names_R in values.items()}


def _places(names_R: list[set[str]]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for row, names in enumerate(names_R):
        for name in names - {""}:
            places.setdefault(name, []).append(row)
    return {name: found for name, found in places.items() if len(found) >= MIN_SLICE_ROWS}
