"""An earlier report: the findings that are known already."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cellgate.contract.bundle import LABELS
from cellgate.contract.errors import DataError

FINGERPRINT = "function/v1"
TOOL = "Cellgate"
SCHEMA_VERSION = 1
MAX_BASELINE_BYTES = 512 << 20


def read_baseline(path: Path) -> frozenset[str]:
    """Return the fingerprints of the findings in an earlier report, SARIF or JSON.

    Raises:
        DataError: It cannot be read, or is no report of this command: another tool's, or another version's.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BASELINE_BYTES + 1)
        if len(content) > MAX_BASELINE_BYTES:
            raise ValueError(f"more than {MAX_BASELINE_BYTES} bytes")
        return frozenset(_fingerprints(json.loads(content)))
    # RecursionError: nested more deeply than any report is.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError.unreadable(
            path,
            "the baseline cannot be read",
            error,
            expected="a report of `cellgate predict`, SARIF or JSON",
            fix="write one with --format sarif --out FILE",
        ) from error


def _fingerprints(report: Any) -> Iterator[str]:
    if "runs" in report:
        for run in report["runs"]:
            if (name := run["tool"]["driver"]["name"]) != TOOL:
                raise ValueError(f"a report of another tool: {name!r:.80}")
            for result in run.get("results") or ():
                marks = {**(result.get("fingerprints") or {}), **(result.get("partialFingerprints") or {})}
                if FINGERPRINT not in marks:
                    raise ValueError(f"a finding without {FINGERPRINT}, as of another version")
                yield _text(marks[FINGERPRINT])
    else:
        if (version := report["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"a report of another version: schema_version {version!r:.80}")
        for file in report["files"]:
            for function in file["functions"]:
                if function["verdict"] == LABELS["1"]:
                    yield _text(function["fingerprint"])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a fingerprint that is no text: {value!r:.80}")
    return value
