"""A bundle's findings as SARIF 2.1.0, which code hosts and editors show.

Source:
    Static Analysis Results Interchange Format (SARIF) Version 2.1.0, OASIS Standard, 27 March 2020; of its fields,
    those that GitHub reads: "SARIF support for code scanning", docs.github.com.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cellgate.contract.errors import InputError
from cellgate.contract.files import to_json
from cellgate.contract.visible import visible_line
from trainers.bundle.attribution import METHOD
from trainers.bundle.baseline import FINGERPRINT, TOOL
from trainers.bundle.places import shown_path
from trainers.bundle.scan_report import MAX_TOLD, caveats_of, said_of
from trainers.bundle.scan_results import Finding, Scan, WeighedLine, most_probable
from trainers.bundle.source_tree import told_passed_over
from trainers.engine.environment import code_version

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
RULE_ID = "vulnerable-function"
# Where the viewer has the scanned tree.
ROOT = "%SRCROOT%"
# A medium one on the scale of CVSS: the models do not say which weakness it is.
SECURITY_SEVERITY = "5.5"
# A calibrated threshold is the share of true findings at the threshold, on functions like those of the data set; other
# trees are not like them, so that nothing above medium is claimed.
MEDIUM_PRECISION_FROM = 0.5
LINK = re.compile(r"\[([^\[\]]*)\]\(")
PLACEHOLDER = re.compile(r"\{(\d+)\}")


def as_sarif(scan: Scan, *, max_results: int | None = None) -> str:
    """Return a log of one run: a result for each finding, its heaviest lines as related locations.

    Paths below the root are relative to it, the others absolute.

    Args:
        max_results: Results at most; in any case the most probable come first.
    """
    places = {file.path: place for place, file in enumerate(scan.files)}
    shown = most_probable(scan.reported, max_results)
    cut = len(scan.reported) - len(shown)
    run = {
        "tool": {"driver": {"name": TOOL, "version": code_version(), "rules": [_rule(scan)]}},
        "automationDetails": {"id": "cellgate/"},
        "invocations": [
            {
                "executionSuccessful": not scan.problems,
                "toolExecutionNotifications": list(_notifications(scan, cut=cut)),
            }
        ],
        "artifacts": [{"location": _artifact(scan, file.path)} for file in scan.files],
        "columnKind": "unicodeCodePoints",
        "results": [_result(scan, finding, places[finding.file.path]) for finding in shown],
        "properties": {
            "bundle": scan.manifest.id,
            "kind": scan.manifest.kind,
            "threshold": scan.threshold,
            "functions": scan.functions,
            "resultsCut": cut,
            "weightsMethod": METHOD,
        },
    }
    return to_json({"$schema": SCHEMA, "version": VERSION, "runs": [run]}).decode()


def _rule(scan: Scan) -> dict[str, Any]:
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
        "properties": {
            "tags": ["security"],
            "precision": "medium" if scan.threshold >= MEDIUM_PRECISION_FROM else "low",
            "security-severity": SECURITY_SEVERITY,
        },
    }


def _result(scan: Scan, finding: Finding, place: int) -> dict[str, Any]:
    one, path = finding.function, finding.file.path
    verdict = one.verdict
    result = {
        "ruleId": RULE_ID,
        "ruleIndex": 0,
        "level": "note" if verdict.abstains else "warning",
        "message": {"text": _message(finding)},
        "locations": [
            {
                "physicalLocation": _physical(
                    scan, path, place, start_line=one.start_line, end_line=one.end_line, end_column=one.end_column
                ),
                "logicalLocations": [{"fullyQualifiedName": one.name, "kind": "function"}],
            }
        ],
        "relatedLocations": _related(scan, path, place, one.weights or ()),
        "fingerprints": {FINGERPRINT: one.fingerprint},
        "partialFingerprints": {"primaryLocationLineHash": one.line_hash, FINGERPRINT: one.fingerprint},
        "rank": 100 * verdict.probability,
        "properties": {
            "probability": verdict.probability,
            "threshold": verdict.threshold,
            "abstains": verdict.abstains,
            "graphQuality": verdict.graph_quality,
            "textTruncated": verdict.text_truncated,
            "graphTruncated": verdict.graph_truncated,
        },
    }
    if finding.suppression is not None:
        justification = visible_line(finding.suppression.reason)
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    if finding.is_new is not None:
        result["baselineState"] = "new"
    return result


def _message(finding: Finding) -> str:
    one = finding.function
    caveats = "".join(f"; {caveat}" for caveat in caveats_of(one))
    return _text(
        f"{one.name} may be vulnerable: probability {one.verdict.probability:.4f}, "
        f"threshold {one.verdict.threshold:.4f}{caveats}."
    )


def _text(message: str) -> str:
    """Return a message as its viewers show it: no hidden characters, links or placeholders in what others wrote.

    Source:
        SARIF 2.1.0, sections 3.11.5 (placeholders) and 3.11.6 (embedded links).
    """
    return PLACEHOLDER.sub(r"{{\1}}", LINK.sub(r"\\[\1\\](", visible_line(message)))


def _related(scan: Scan, path: Path, place: int, weights: Sequence[WeighedLine]) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "message": {"text": f"This {said_of(weight)} of the verdict."},
            "physicalLocation": _physical(
                scan,
                path,
                place,
                start_line=weight.start_line,
                end_line=weight.end_line,
                end_column=weight.end_column,
            ),
        }
        for number, weight in enumerate(weights[:MAX_TOLD])
    ]


def _physical(scan: Scan, path: Path, place: int, *, start_line: int, end_line: int, end_column: int) -> dict[str, Any]:
    return {
        "artifactLocation": {**_artifact(scan, path), "index": place},
        "region": {"startLine": start_line, "startColumn": 1, "endLine": end_line, "endColumn": end_column},
    }


def _artifact(scan: Scan, path: Path) -> dict[str, Any]:
    uri = scan.root.uri(path)
    return {"uri": uri} if scan.root.place(path).is_absolute() else {"uri": uri, "uriBaseId": ROOT}


def _notifications(scan: Scan, *, cut: int) -> Iterator[dict[str, Any]]:
    """Yield what a reader of the log has to know of the run besides its results."""
    for path, problem in scan.problems:
        yield _notification(scan, "error", problem, path)
    for path, note in scan.notes:
        yield _notification(scan, "note", f"{shown_path(path)}: {note}", path)
    told = list(told_passed_over(scan.passed))
    if cut:
        told.append(f"{cut} more findings are less probable than these and left out")
    for line in told:
        yield {"level": "note", "message": {"text": _text(line)}}


def _notification(scan: Scan, level: str, told: InputError | str, path: Path) -> dict[str, Any]:
    return {
        "level": level,
        "message": {"text": _text(str(told))},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(scan, path)}}],
    }
