"""Scans without models: functions with `gets` are called vulnerable."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cellgate.contract.bundle import BundleManifest
from tests.bundle_manifests import manifest_content
from trainers.bundle.attribution import Weight
from trainers.bundle.scan import ScanOptions, find_target, scan
from trainers.bundle.scan_here import LocalScorer
from trainers.bundle.scan_results import Scan
from trainers.bundle.verdict import FunctionVerdict

THRESHOLD = 0.4
VULNERABLE, SAFE = 0.875, 0.125
FIRST = "\n\nint first(char *p)\n{\n    gets(p);\n    return *p;\n}\nint second(void) { return 0; }\n"


class GetsBundle:
    """Scores by a word; a function with `die` ends the process, as one that needs too much memory does."""

    def predict(
        self, functions: Sequence[str], *, threshold: float | None = None, explain: Any = "findings"
    ) -> list[FunctionVerdict]:
        if any("die()" in source for source in functions):
            os.kill(os.getpid(), signal.SIGKILL)
        return [self._of(source, THRESHOLD if threshold is None else threshold, explain) for source in functions]

    def _of(self, source: str, threshold: float, explain: str) -> FunctionVerdict:
        lines = source.split("\n")
        line = next((number for number, text in enumerate(lines, start=1) if "gets" in text), None)
        # The more calls, the more probable.
        probability = SAFE if line is None else VULNERABLE + 0.01 * (source.count("gets") - 1)
        explained = explain == "all" or (explain == "findings" and probability >= threshold)
        weights = () if line is None else (Weight(start_line=line, end_line=line, log_odds=1.5),)
        return FunctionVerdict(
            probability=probability,
            threshold=threshold,
            abstains=False,
            graph_quality="parsed",
            text_truncated=False,
            graph_truncated=False,
            weights=weights if explained else None,
        )


def manifest(folder: Path) -> BundleManifest:
    """What the manifest of such a bundle would be."""
    return BundleManifest.model_validate(manifest_content(folder / "none"))


def scanned(folder: Path, *paths: str, **options: Any) -> Scan:
    """Scan paths, `src` without any."""
    chosen = ScanOptions(**options)
    target = find_target([Path(path) for path in paths or ("src",)], chosen)
    return scan(LocalScorer(GetsBundle, manifest(folder)), target, chosen)
