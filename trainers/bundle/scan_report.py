"""A bundle's scores of files, as text for people and as JSON for programs."""

from collections.abc import Iterator
from typing import Any

from cellgate.contract.files import to_json
from cellgate.contract.visible import visible_line
from trainers.bundle.attribution import METHOD
from trainers.bundle.baseline import SCHEMA_VERSION
from trainers.bundle.places import shown_path
from trainers.bundle.scan_results import Finding, Scan, ScoredFunction, WeighedLine, most_probable
from trainers.bundle.source_tree import told_passed_over

# Lines shown of a finding in the output for people.
MAX_TOLD = 5


def as_text(scan: Scan, *, max_results: int | None = None) -> str:
    """Return a line for each finding and its heaviest lines, as compilers write them, and a summary.

    Args:
        max_results: Findings at most, the most probable first; null: all, in the order of the files.
    """
    shown = scan.reported if max_results is None else most_probable(scan.reported, max_results)
    lines = [visible_line(line) for finding in shown for line in _finding(finding)]
    lines += [visible_line(f"note: {shown_path(path)}: {note}") for path, note in scan.notes]
    lines += [visible_line(f"error: {problem}") for _, problem in scan.problems]
    lines += [visible_line(f"note: {told}") for told in told_passed_over(scan.passed)]
    lines += [f"note: {told}" for told in _left_out(scan, cut=len(scan.reported) - len(shown))]
    lines.append(
        f"{len(scan.open_findings)} of {scan.functions} functions in {len(scan.files)} files are at or above "
        f"{scan.threshold:.4f} (bundle {scan.manifest.id})"
    )
    return "\n".join(lines) + "\n"


def _finding(finding: Finding) -> Iterator[str]:
    one, path = finding.function, shown_path(finding.file.path)
    label = f"{one.name} may be vulnerable: probability {one.verdict.probability:.4f}"
    if finding.suppression is not None:
        yield f"{path}:{one.start_line}: note: suppressed: {label}: {finding.suppression.reason}"
        return
    caveats = "".join(f"; {caveat}" for caveat in caveats_of(one))
    yield f"{path}:{one.start_line}: warning: {label}{caveats}"
    for weight in (one.weights or ())[:MAX_TOLD]:
        more = "" if weight.start_line == weight.end_line else f" (to line {weight.end_line})"
        yield f"{path}:{weight.start_line}: note: {said_of(weight)}: {weight.text}{more}"


def _left_out(scan: Scan, *, cut: int) -> Iterator[str]:
    """Yield a line for each kind of findings and functions that the report leaves out."""
    if cut:
        yield f"{cut} more findings are less probable than these and left out by --max-results"
    if suppressed := len(scan.reported) - len(scan.open_findings):
        by = "" if scan.suppressions is None else f" by {visible_line(shown_path(scan.suppressions))}"
        yield f"{suppressed} findings are suppressed{by}"
    if known := len(scan.findings) - len(scan.reported):
        yield f"{known} findings are in the baseline and left out"
    if unparsed := sum(file.coverage.unparsed for file in scan.files):
        outside = sum(file.coverage.outside for file in scan.files)
        whole = sum(file.coverage.lines for file in scan.files)
        yield f"of {whole} lines {unparsed} were not understood and {outside} lines of code lie in no function"
    if scan.unchanged:
        yield f"{scan.unchanged} functions in changed files did not change and are not scored"


def said_of(weight: WeighedLine) -> str:
    """Return as text how much a line adds to the log-odds."""
    return f"adds {weight.log_odds:.2f} to the log-odds"


def caveats_of(one: ScoredFunction) -> list[str]:
    """Return as text why the verdict on a function is less sure than others."""
    verdict = one.verdict
    caveats = {
        "too near the threshold to be sure": verdict.abstains,
        "the text model read its head and tail only": verdict.text_truncated,
        "the graph model read its beginning only": verdict.graph_truncated,
        "parts of it did not parse": verdict.graph_quality == "partial",
        "none of it parsed": verdict.graph_quality == "token_chain",
    }
    return [caveat for caveat, holds in caveats.items() if holds]


def as_json(scan: Scan) -> str:
    """Return every function with its score; lines count from 1 within the file."""
    findings = {id(finding.function): finding for finding in scan.findings}
    return to_json(
        {
            "schema_version": SCHEMA_VERSION,
            "bundle": scan.manifest.id,
            "kind": scan.manifest.kind,
            "threshold": scan.threshold,
            "weights_method": METHOD,
            "files": [
                {
                    "path": shown_path(file.path),
                    "lines": vars(file.coverage),
                    "unchanged": file.unchanged,
                    "functions": [_function(scan, one, findings.get(id(one))) for one in file.functions],
                }
                for file in scan.files
            ],
            "problems": [vars(problem) for _, problem in scan.problems],
            "notes": [{"path": shown_path(path), "note": note} for path, note in scan.notes],
            "passed_over": [
                {
                    "reason": reason.name.lower(),
                    "files": one.files,
                    "folders": one.folders,
                    "suffixes": dict(one.suffixes),
                    "examples": one.examples,
                }
                for reason, one in scan.passed.items()
            ],
        }
    ).decode()


def _function(scan: Scan, one: ScoredFunction, finding: Finding | None) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "name": one.name,
        "start_line": one.start_line,
        "end_line": one.end_line,
        "probability": verdict.probability,
        "verdict": scan.manifest.labels["1" if verdict.is_vulnerable else "0"],
        "abstains": verdict.abstains,
        "graph_quality": verdict.graph_quality,
        "text_truncated": verdict.text_truncated,
        "graph_truncated": verdict.graph_truncated,
        "fingerprint": one.fingerprint,
        "suppressed": None if finding is None or finding.suppression is None else finding.suppression.reason,
        "is_new": None if finding is None else finding.is_new,
        "weights": None
        if one.weights is None
        else [
            {"start_line": weight.start_line, "end_line": weight.end_line, "log_odds": weight.log_odds}
            for weight in one.weights
        ],
    }
