"""A bundle's findings as SARIF 2.1.0, which code hosts and editors show.

Source:
    Static Analysis Results Interchange Format (SARIF) Version 2.1.0, OASIS Standard, 27 March 2020.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cellgate.contract.errors import InputError
from cellgate.contract.files import to_json
from cellgate.contract.visible import visible_line
from trainers.bundle.attribution import METHOD, Weight
from trainers.bundle.scan import Scan, ScoredFile, ScoredFunction, place_of
from trainers.bundle.scan_report import MAX_TOLD, caveats_of, said_of
from trainers.engine.environment import code_version

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
RULE_ID = "vulnerable-function"
# Where the viewer has the scanned tree.
ROOT = "%SRCROOT%"
FINGERPRINT = "function/v1"
LINK = re.compile(r"\[([^\[\]]*)\]\(")
PLACEHOLDER = re.compile(r"\{(\d+)\}")


def as_sarif(scan: Scan) -> str:
    """Return a log of one run: a result for each finding, its heaviest lines as related locations.

    Paths below the working folder are relative to it, the others absolute.
    """
    places = {file.path: place for place, file in enumerate(scan.files)}
    run = {
        "tool": {"driver": {"name": "Cellgate", "version": code_version(), "rules": [_rule()]}},
        "invocations": [
            {
                "executionSuccessful": not scan.problems,
                "toolExecutionNotifications": [_notification(problem) for problem in scan.problems],
            }
        ],
        "artifacts": [{"location": _artifact(file.path)} for file in scan.files],
        "columnKind": "unicodeCodePoints",
        "results": [_result(file, one, places[file.path]) for file, one in scan.findings],
        "properties": {
            "bundle": scan.manifest.id,
            "kind": scan.manifest.kind,
            "threshold": scan.threshold,
            "functions": scan.functions,
            "weightsMethod": METHOD,
        },
    }
    return to_json({"$schema": SCHEMA, "version": VERSION, "runs": [run]}).decode()


def _rule() -> dict[str, Any]:
    """Return the one rule; a model that gives a probability and no reason can name no weakness."""
    return {
        "id": RULE_ID,
        "name": "VulnerableFunction",
        "shortDescription": {"text": "A trained model calls this function vulnerable."},
        "fullDescription": {
            "text": "The calibrated probability that the function is vulnerable is at or above the threshold that was "
            "fixed when the model was trained. The model does not determine which weakness it is."
        },
        "help": {
            "text": "Read the function, beginning with the related locations: the lines without which the model "
            "would be least sure. A finding can be wrong; the probability states how often."
        },
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["security"]},
    }


def _result(file: ScoredFile, one: ScoredFunction, place: int) -> dict[str, Any]:
    function, prediction = one.function, one.prediction
    return {
        "ruleId": RULE_ID,
        "ruleIndex": 0,
        "level": "warning",
        "message": {"text": _message(one)},
        "locations": [
            {
                "physicalLocation": _physical(file.path, place, function.start_line, function.end_line),
                "logicalLocations": [{"fullyQualifiedName": function.name, "kind": "function"}],
            }
        ],
        "relatedLocations": _related(file.path, place, one.weights or ()),
        "fingerprints": {FINGERPRINT: one.fingerprint},
        "rank": 100 * prediction.probability,
        "properties": {
            "probability": prediction.probability,
            "threshold": prediction.threshold,
            "graphQuality": prediction.graph_quality,
            "textTruncated": prediction.text_truncated,
            "graphTruncated": prediction.graph_truncated,
        },
    }


def _message(one: ScoredFunction) -> str:
    prediction = one.prediction
    caveats = "".join(f"; {caveat}" for caveat in caveats_of(one))
    return _text(
        f"{one.function.name} may be vulnerable: probability {prediction.probability:.4f}, "
        f"threshold {prediction.threshold:.4f}{caveats}."
    )


def _text(message: str) -> str:
    """Return a message as its viewers show it: no hidden characters, links or placeholders in what others wrote.

    Source:
        SARIF 2.1.0, sections 3.11.5 (placeholders) and 3.11.6 (embedded links).
    """
    return PLACEHOLDER.sub(r"{{\1}}", LINK.sub(r"\\[\1\\](", visible_line(message)))


def _related(path: Path, place: int, weights: Sequence[Weight]) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "message": {"text": f"This {said_of(weight)} of the verdict."},
            "physicalLocation": _physical(path, place, weight.start_line, weight.end_line),
        }
        for number, weight in enumerate(weights[:MAX_TOLD])
    ]


def _physical(path: Path, place: int, start_line: int, end_line: int) -> dict[str, Any]:
    return {
        "artifactLocation": {**_artifact(path), "index": place},
        "region": {"startLine": start_line, "endLine": end_line},
    }


def _artifact(path: Path) -> dict[str, Any]:
    place = place_of(path)
    return {"uri": place.as_uri()} if place.is_absolute() else {"uri": quote(place.as_posix()), "uriBaseId": ROOT}


def _notification(problem: InputError) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": _text(str(problem))},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(Path(problem.where))}}],
    }
