"""What a scan of files gives: scores, findings, and what was not scored and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cellgate.contract.bundle import BundleManifest
from cellgate.contract.errors import InputError
from trainers.bundle.places import Root
from trainers.bundle.source_tree import PassedOver, Reason
from trainers.bundle.suppressions import Suppression
from trainers.bundle.verdict import FunctionVerdict
from trainers.source_functions.division import Coverage


@dataclass(frozen=True, kw_only=True)
class WeighedLine:
    """A line, or a run of lines, that added to the verdict.

    Args:
        start_line: From 1 within the file.
        end_line: The last one.
        end_column: After its last character, from 1.
        log_odds: What they added.
        text: The first of them, without the blanks around it.
    """

    start_line: int
    end_line: int
    end_column: int
    log_odds: float
    text: str


@dataclass(frozen=True, kw_only=True)
class ScoredFunction:
    """One function of a file and its score.

    Args:
        name: With the scopes that it stands in.
        start_line: From 1 within the file.
        end_line: Of its last brace.
        end_column: After the last character of that line, from 1.
        verdict: Its weights are null: they stand in `weights`.
        fingerprint: The same as long as the function's file, name and text are, wherever in the file it moves.
        line_hash: Of its first line, as GitHub has it; null where it is not called vulnerable.
        weights: Lines that added to the verdict, the most first; null where not explained.
    """

    name: str
    start_line: int
    end_line: int
    end_column: int
    verdict: FunctionVerdict
    fingerprint: str
    line_hash: str | None
    weights: tuple[WeighedLine, ...] | None


@dataclass(frozen=True, kw_only=True)
class ScoredFile:
    """One file and its functions in their order.

    Args:
        coverage: How many of its lines lie in functions, in none, or were not understood.
        unchanged: Functions that were left out because nothing in them changed.
    """

    path: Path
    functions: tuple[ScoredFunction, ...]
    coverage: Coverage
    unchanged: int = 0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A function that is called vulnerable.

    Args:
        suppression: What says that it is none; null where nothing does.
        is_new: Whether an earlier report lacks it; null without one.
    """

    file: ScoredFile
    function: ScoredFunction
    suppression: Suppression | None = None
    is_new: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The scores of all functions of some files.

    Args:
        threshold: At or above it a function is called vulnerable.
        root: What places are relative to.
        files: In the order in which they were found.
        findings: The functions that are called vulnerable, known and suppressed ones among them.
        problems: Files and folders that could not be read, and functions that were not scored: where and why.
        notes: Remarks on files that were scored all the same.
        passed: What was passed over, by reason.
        suppressions: The file of suppressions that was read; null where there was none.
    """

    manifest: BundleManifest
    threshold: float
    root: Root
    files: tuple[ScoredFile, ...]
    findings: tuple[Finding, ...]
    problems: tuple[tuple[Path, InputError], ...] = ()
    notes: tuple[tuple[Path, str], ...] = ()
    passed: Mapping[Reason, PassedOver] = field(default_factory=dict)
    suppressions: Path | None = None

    @property
    def functions(self) -> int:
        """How many functions were scored."""
        return sum(len(file.functions) for file in self.files)

    @property
    def reported(self) -> list[Finding]:
        """The findings that the earlier report lacks, where there is one; suppressed ones among them."""
        return [finding for finding in self.findings if finding.is_new is not False]

    @property
    def open_findings(self) -> list[Finding]:
        """Those to report that nothing suppresses."""
        return [finding for finding in self.reported if finding.suppression is None]

    @property
    def unchanged(self) -> int:
        """How many functions of changed files were not scored, since nothing in them changed."""
        return sum(file.unchanged for file in self.files)

    @property
    def is_empty(self) -> bool:
        """Whether there was no file to score, of which nothing else tells."""
        return not self.files and not self.problems and Reason.UNCHANGED not in self.passed


def most_probable(findings: Sequence[Finding], limit: int | None) -> list[Finding]:
    """Return the findings, the most probable first, and of equals the first; at most so many.

    Args:
        limit: Null: all.
    """
    ranked = sorted(findings, key=lambda finding: -finding.function.verdict.probability)
    return ranked if limit is None else ranked[:limit]
