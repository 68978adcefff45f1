"""Recompute a finished run of cell 54 from the predictions as they are on disk now, and compare."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cellgate.contract.artifacts import REPORT_NAME, RESULT_NAME, SPEC_NAME
from cellgate.contract.cells import Cell
from cellgate.contract.errors import DataError, InputError, shortened
from cellgate.contract.files import to_json
from cellgate.contract.report import read_report
from cellgate.contract.results import read_result
from cellgate.contract.specs import AggregationSpec
from trainers.evaluation.aggregate import weigh
from trainers.spec_reading import read_spec


def verify(folder: Path) -> None:
    """Return when evidence and report come out the same again, byte for byte.

    Args:
        folder: The run's, with its spec, result and report.

    Raises:
        SpecError: The spec is damaged, or names runs that do not fit it.
        DataError: A file is missing or damaged, or something comes out otherwise: each difference is named.
    """
    stored = _stored(folder)
    spec = read_spec(folder / SPEC_NAME, Cell.AGGREGATION)
    if not isinstance(spec, AggregationSpec):
        raise TypeError(f"the spec of cell 54 was read as {type(spec).__name__}")
    weighed = weigh(spec)
    again = {
        RESULT_NAME: weighed.evidence.model_dump(mode="json"),
        REPORT_NAME: weighed.report.model_dump(mode="json"),
    }
    problems = [
        InputError(where=f"{name}{pointer}", found=shortened(before), expected=f"{shortened(after)}, weighed again")
        for name, document in stored.items()
        for pointer, before, after in _differences(document, again[name], "")
    ]
    if problems:
        raise DataError(f"{folder}: what is stored is not what the predictions give", problems)


def _stored(folder: Path) -> dict[str, Any]:
    """Return the documents to hold the new ones against."""
    try:
        evidence = read_result(folder / RESULT_NAME).evidence
        report = read_report(folder / REPORT_NAME)
    except (OSError, ValueError) as error:
        problem = InputError(where=str(folder), found=str(error), expected="result.json and report.json of cell 54")
        raise DataError(f"{folder}: no finished run of cell 54", [problem]) from error
    return {
        RESULT_NAME: None if evidence is None else evidence.model_dump(mode="json"),
        REPORT_NAME: report.model_dump(mode="json"),
    }


def _differences(before: Any, after: Any, pointer: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two documents differ, as deep as possible, with both values."""
    if to_json(before) == to_json(after):
        return
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for name, value in before.items():
            yield from _differences(value, after[name], f"{pointer}/{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, value in enumerate(before):
            yield from _differences(value, after[place], f"{pointer}/{place}")
    else:
        yield pointer, before, after
