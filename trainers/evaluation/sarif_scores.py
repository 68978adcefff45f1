"""Scores of a static analyser: its SARIF log on files that hold one function of the data set each.

Source:
    Static Analysis Results Interchange Format (SARIF) Version 2.1.0, OASIS Standard, sections 3.27.9 (kind), 3.27.10
    (level), 3.27.23 (suppressions), 3.27.24 (baselineState), 3.27.25 (rank), 3.28.3 and 3.4.3 (locations and URIs).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.function_files import file_stem
from cellgate.contract.untrusted_files import read_document
from trainers.engine.metrics import Floats

SUFFIXES = (".sarif", ".sarif.json")
MOST_BYTES = 512 << 20
# Of a result without a rank.
FOUND, SILENT = 1.0, 0.0
# Kinds of results that claim a problem; of others the standard says that nothing is wrong, or known.
CLAIMS = ("fail", "review")
FIX = "run the analyser on the files that `cellgate dataset export` writes, and give its SARIF 2.1.0 log as it is"


def is_sarif(path: Path) -> bool:
    """Return whether a file's name says that it is SARIF."""
    return path.name.lower().endswith(SUFFIXES)


def read_sarif_scores(path: Path, ids: Sequence[str]) -> Floats:
    """Return the probability of each function, in the order of `ids`.

    A function with results has the highest of their ranks, divided by 100; a result without a rank has 1. A function
    without any has 0, whether the analyser found nothing or could not read it. Suppressed results and those that claim
    nothing do not count.

    Args:
        path: A SARIF log.
        ids: Of the functions that are judged.

    Raises:
        DataError: It is no SARIF 2.1.0 log, or all of its results are in files that are no function of the data set.
    """
    try:
        log = read_document(path, most_bytes=MOST_BYTES)
    except (OSError, ValueError) as error:
        raise _refusal(path, f"{type(error).__name__}: {error}", "a SARIF 2.1.0 log") from error
    if not isinstance(log, dict) or not isinstance(runs := log.get("runs"), list):
        raise _refusal(path, "no list of runs", "a SARIF 2.1.0 log")
    claimed: dict[str, float] = {}
    for run in runs:
        for stem, probability in _claims(run):
            claimed[stem] = max(probability, claimed.get(stem, SILENT))
    stems = [file_stem(function_id) for function_id in ids]
    if claimed and claimed.keys().isdisjoint(stems):
        example = next(iter(claimed))
        raise _refusal(path, f"results in {len(claimed)} files, {example!r} one of them", "files of this data set")
    return np.array([claimed.get(stem, SILENT) for stem in stems], dtype=np.float64)


def _claims(run: Any) -> Iterator[tuple[str, float]]:
    """Yield for each result that counts the names of its files, without suffix, and its probability."""
    if not isinstance(run, Mapping):
        return
    artifacts = _list(run.get("artifacts"))
    for result in _list(run.get("results")):
        if isinstance(result, Mapping) and _counts(result):
            probability = _probability(result.get("rank"))
            for location in _list(result.get("locations")):
                stem = _stem(location, artifacts)
                if stem is not None:
                    yield stem, probability


def _counts(result: Mapping[str, Any]) -> bool:
    claims = result.get("kind", "fail") in CLAIMS and result.get("level", "warning") != "none"
    suppressed = [one for one in _list(result.get("suppressions")) if _field(one, "status") in (None, "accepted")]
    return claims and not suppressed and result.get("baselineState") != "absent"


def _probability(rank: Any) -> float:
    is_rank = isinstance(rank, int | float) and not isinstance(rank, bool) and 0 <= rank <= 100
    return rank / 100 if is_rank else FOUND


def _stem(location: Any, artifacts: Sequence[Any]) -> str | None:
    place = _field(_field(location, "physicalLocation"), "artifactLocation")
    uri, index = _field(place, "uri"), _field(place, "index")
    if uri is None and isinstance(index, int) and 0 <= index < len(artifacts):
        uri = _field(_field(artifacts[index], "location"), "uri")
    if not isinstance(uri, str):
        return None
    try:
        return PurePosixPath(unquote(urlsplit(uri).path)).stem
    except ValueError:
        return None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _refusal(path: Path, found: str, expected: str) -> DataError:
    problem = InputError(where=str(path), found=found, expected=expected, fix=FIX)
    return DataError(f"{path}: the analyser's results cannot be used", [problem])
