"""Recompute a finished run of cell 54 from the predictions as they are on disk now, and compare."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from cellgate.contract.artifacts import REPORT_NAME, RESULT_NAME, SPEC_NAME
from cellgate.contract.cells import Cell
from cellgate.contract.documents import Document
from cellgate.contract.errors import DataError, InputError, shortened
from cellgate.contract.evidence import Evidence
from cellgate.contract.files import to_json
from cellgate.contract.report import read_report
from cellgate.contract.results import read_result
from cellgate.contract.specs import AggregationSpec
from trainers.evaluation.aggregate import weigh
from trainers.evaluation.weighing import Weighing
from trainers.spec_reading import read_spec

# Written as null by releases that did not judge options on pairs, whatever the predictions gave.
NULL_ONCE = frozenset({"pairwise_correct"})


def verify(folder: Path) -> None:
    """Return when evidence and report come out the same again, byte for byte.

    What a stored document lacks is not compared: the release that wrote it did not measure that.

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
    evidence = stored[RESULT_NAME]
    if isinstance(evidence, Evidence) and not _has_p_values(evidence):
        problems = _problems(stored, spec, Weighing.WITHOUT_P_VALUES)
    else:
        # No document says whether its temperatures are smoothed: the way that leaves less to explain is the one.
        problems = _problems(stored, spec, Weighing.NOW)
        if problems:
            problems = min(problems, _problems(stored, spec, Weighing.UNSMOOTHED), key=len)
    if problems:
        raise DataError(f"{folder}: what is stored is not what the predictions give", problems)


def _problems(stored: dict[str, Document | None], spec: AggregationSpec, weighing: Weighing) -> list[InputError]:
    """Return everything that comes out otherwise."""
    weighed = weigh(spec, weighing=weighing)
    again = {RESULT_NAME: weighed.evidence, REPORT_NAME: weighed.report}
    return [
        InputError(where=f"{name}{pointer}", found=shortened(before), expected=f"{shortened(after)}, weighed again")
        for name, document in stored.items()
        for pointer, before, after in _differences(document, again[name], "")
    ]


def _stored(folder: Path) -> dict[str, Document | None]:
    """Return the documents to hold the new ones against."""
    try:
        evidence = read_result(folder / RESULT_NAME).evidence
        report = read_report(folder / REPORT_NAME)
    except (OSError, ValueError) as error:
        problem = InputError(where=str(folder), found=str(error), expected="result.json and report.json of cell 54")
        raise DataError(f"{folder}: no finished run of cell 54", [problem]) from error
    return {RESULT_NAME: evidence, REPORT_NAME: report}


def _has_p_values(evidence: Evidence) -> bool:
    return all(compared.p is not None for compared in evidence.comparisons)


def _differences(before: Any, after: Any, pointer: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two documents differ, as deep as possible, with both values as JSON has them."""
    if isinstance(before, BaseModel) and isinstance(after, BaseModel):
        # In the order of the class: a set has none.
        for name in (name for name in type(before).model_fields if name in before.model_fields_set):
            stored = getattr(before, name)
            if stored is not None or name not in NULL_ONCE:
                yield from _differences(stored, getattr(after, name), f"{pointer}/{name}")
    elif isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for name, value in before.items():
            yield from _differences(value, after[name], f"{pointer}/{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, value in enumerate(before):
            yield from _differences(value, after[place], f"{pointer}/{place}")
    elif to_json(was := to_jsonable_python(before)) != to_json(now := to_jsonable_python(after)):
        yield pointer, was, now
