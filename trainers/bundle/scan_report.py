"""A bundle's scores of files, as text for people and as JSON for programs."""

from collections.abc import Iterator
from typing import Any

from cellgate.contract.files import to_json
from cellgate.contract.visible import visible_line
from trainers.bundle.attribution import METHOD, Weight
from trainers.bundle.scan import Scan, ScoredFile, ScoredFunction

SCHEMA_VERSION = 1
# Lines shown of a finding in the output for people.
MAX_TOLD = 5


def as_text(scan: Scan) -> str:
    """Return a line for each finding and its heaviest lines, as compilers write them, and a summary."""
    lines = [visible_line(line) for file, one in scan.findings for line in _finding(file, one)]
    lines += [visible_line(f"error: {problem}") for problem in scan.problems]
    lines.append(
        f"{len(scan.findings)} of {scan.functions} functions in {len(scan.files)} files are at or above "
        f"{scan.threshold:.4f} (bundle {scan.manifest.id})"
    )
    return "\n".join(lines) + "\n"


def _finding(file: ScoredFile, one: ScoredFunction) -> Iterator[str]:
    label = f"{one.function.name} may be vulnerable: probability {one.prediction.probability:.4f}"
    caveats = "".join(f"; {caveat}" for caveat in caveats_of(one))
    yield f"{file.path}:{one.function.start_line}: warning: {label}{caveats}"
    source = one.function.source.split("\n")
    for weight in (one.weights or ())[:MAX_TOLD]:
        first = source[weight.start_line - one.function.start_line].strip()
        more = "" if weight.start_line == weight.end_line else f" (to line {weight.end_line})"
        yield f"{file.path}:{weight.start_line}: note: {said_of(weight)}: {first}{more}"


def said_of(weight: Weight) -> str:
    """Return as text how much a line adds to the log-odds."""
    return f"adds {weight.log_odds:.2f} to the log-odds"


def caveats_of(one: ScoredFunction) -> list[str]:
    """Return as text which parts of a function the models did not see."""
    prediction = one.prediction
    caveats = {
        "the text model read its head and tail only": prediction.text_truncated,
        "the graph model read its beginning only": prediction.graph_truncated,
        "parts of it did not parse": prediction.graph_quality == "partial",
        "none of it parsed": prediction.graph_quality == "token_chain",
    }
    return [caveat for caveat, holds in caveats.items() if holds]


def as_json(scan: Scan) -> str:
    """Return every function with its score; lines count from 1 within the file."""
    return to_json(
        {
            "schema_version": SCHEMA_VERSION,
            "bundle": scan.manifest.id,
            "kind": scan.manifest.kind,
            "threshold": scan.threshold,
            "weights_method": METHOD,
            "files": [
                {"path": file.path.as_posix(), "functions": [_function(scan, one) for one in file.functions]}
                for file in scan.files
            ],
            "problems": [vars(problem) for problem in scan.problems],
        }
    ).decode()


def _function(scan: Scan, one: ScoredFunction) -> dict[str, Any]:
    prediction = one.prediction
    return {
        "name": one.function.name,
        "start_line": one.function.start_line,
        "end_line": one.function.end_line,
        "probability": prediction.probability,
        "verdict": scan.manifest.labels["1" if prediction.is_vulnerable else "0"],
        "graph_quality": prediction.graph_quality,
        "text_truncated": prediction.text_truncated,
        "graph_truncated": prediction.graph_truncated,
        "fingerprint": one.fingerprint,
        "weights": None if one.weights is None else [vars(weight) for weight in one.weights],
    }
