"""Scores of every function in the files of a tree, with the files' own line numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cellgate.contract.bundle import BundleManifest
from cellgate.contract.errors import InputError, SpecError
from cellgate.contract.specs import Explain
from trainers.bundle.baseline import read_baseline
from trainers.bundle.file_scoring import FileOutcome, FileTask
from trainers.bundle.git_changes import Changes, changes_since
from trainers.bundle.places import Root
from trainers.bundle.scan_results import Finding, Scan, ScoredFile, ScoredFunction
from trainers.bundle.source_tree import Reason, Sources, find_sources
from trainers.bundle.suppressions import NO_SUPPRESSIONS, SUPPRESSIONS_NAME, Suppressions, read_suppressions


@dataclass(frozen=True, kw_only=True)
class ScanOptions:
    """What of a tree is scored, and what of that is told.

    Args:
        threshold: Instead of the bundle's own, 0 to 1.
        explain: Which functions to explain.
        root: What places are relative to; null: the checkout that the working folder lies in, else that folder.
        exclude: Patterns of files and folders that are left out.
        respect_gitignore: Whether `.gitignore` files leave anything out.
        diff: Only functions that changed since this commit are scored; null: all.
        baseline: An earlier report, whose findings are not told again; null: none.
        suppressions: A file of suppressions; null: `.cellgate-ignore` in the root, if there is one.
    """

    threshold: float | None = None
    explain: Explain = "findings"
    root: Path | None = None
    exclude: Sequence[str] = ()
    respect_gitignore: bool = True
    diff: str | None = None
    baseline: Path | None = None
    suppressions: Path | None = None


class FileScorer(Protocol):
    """What scores files: in this process, or in several."""

    manifest: BundleManifest

    def score(
        self, tasks: Sequence[FileTask], *, threshold: float | None, explain: Explain
    ) -> Iterable[tuple[int, FileOutcome]]:
        """Yield each file's place among the tasks and what came of it, in any order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a scan is to score, and what it needs to tell findings apart.

    Args:
        root: What places are relative to.
        sources: The files that were found.
        tasks: Of them, those to score.
        known: Fingerprints of an earlier report; null without one.
        suppressions: Findings that are not to be told again.
        is_whole: One of the paths is the root.
    """

    root: Root
    sources: Sources
    tasks: Sequence[FileTask]
    known: frozenset[str] | None
    suppressions: Suppressions
    is_whole: bool


def find_target(paths: Sequence[Path], options: ScanOptions) -> Target:
    """Read everything that a scan needs but the bundle and the files themselves.

    Raises:
        DataError: A path does not exist, or the baseline or the suppressions cannot be read.
        SpecError: The threshold is not a probability, a pattern cannot be used, or git cannot tell what changed.
    """
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        problem = InputError(where="threshold", found=str(options.threshold), expected="a probability, 0 to 1")
        raise SpecError("the threshold is not a probability", [problem])
    root = Root.of(options.root, paths)
    changes = None if options.diff is None else changes_since(options.diff, folder=root.folder)
    sources = find_sources(paths, root=root, exclude=options.exclude, respect_gitignore=options.respect_gitignore)
    return Target(
        root=root,
        tasks=_tasks(sources, root, changes),
        sources=sources,
        known=None if options.baseline is None else read_baseline(options.baseline),
        suppressions=_suppressions(options.suppressions, root),
        is_whole=any(path.resolve() == root.folder for path in paths),
    )


def _suppressions(path: Path | None, root: Root) -> Suppressions:
    own = root.folder / SUPPRESSIONS_NAME
    if path is None and not own.is_file():
        return NO_SUPPRESSIONS
    return read_suppressions(own if path is None else path)


def _tasks(sources: Sources, root: Root, changes: Changes | None) -> list[FileTask]:
    if changes is None:
        return [FileTask(path=path, place=root.place(path)) for path in sources.files]
    tasks = []
    for path in sources.files:
        changed = changes.of(path)
        if changed is None:
            sources.pass_over(path, Reason.UNCHANGED)
        else:
            tasks.append(FileTask(path=path, place=root.place(path), changed=changed))
    return tasks


def scan(
    scorer: FileScorer,
    target: Target,
    options: ScanOptions,
    *,
    progress: Callable[[FileOutcome], None] = lambda _: None,
) -> Scan:
    """Score the functions of the files of a tree.

    Args:
        scorer: Scores them.
        target: Of these paths and options.
        options: As for the target.
        progress: Called after each file.
    """
    sources = target.sources
    by_place: dict[int, FileOutcome] = {}
    for place, outcome in scorer.score(target.tasks, threshold=options.threshold, explain=options.explain):
        by_place[place] = outcome
        progress(outcome)
    outcomes = [(task.path, by_place[place]) for place, task in enumerate(target.tasks)]
    for path, outcome in outcomes:
        if outcome.is_binary:
            sources.pass_over(path, Reason.BINARY)
        if outcome.note is not None:
            sources.notes.append((path, outcome.note))
    files = tuple(outcome.file for _, outcome in outcomes if outcome.file is not None)
    findings = tuple(_findings(files, target))
    sources.notes.extend(_unused_suppressions(files, findings, target, options))
    return Scan(
        manifest=scorer.manifest,
        threshold=scorer.manifest.threshold if options.threshold is None else options.threshold,
        root=target.root,
        files=files,
        findings=findings,
        problems=(*sources.problems, *((path, one) for path, outcome in outcomes for one in outcome.problems)),
        notes=tuple(sources.notes),
        passed=sources.passed,
        suppressions=target.suppressions.path,
    )


def _unused_suppressions(
    files: Sequence[ScoredFile], findings: Sequence[Finding], target: Target, options: ScanOptions
) -> list[tuple[Path, str]]:
    """Return a note for each line of suppressions that named no finding, of those that this scan can judge.

    One that names a finding by its fingerprint is judged by a scan of the whole root alone.
    """
    path, root = target.suppressions.path, target.root
    if path is None or options.diff is not None:
        return []
    is_whole = target.is_whole and not options.exclude
    places = [root.place(file.path).as_posix() for file in files]
    unused = target.suppressions.unused(
        (root.place(one.file.path), one.function.name, one.function.fingerprint) for one in findings
    )
    return [
        (path, f"line {one.line} names no finding: remove it, or correct it")
        for one in unused
        if is_whole or (one.files is not None and any(one.files.check_file(place).include for place in places))
    ]


def _findings(files: Sequence[ScoredFile], target: Target) -> list[Finding]:
    return [
        _finding(file, function, target)
        for file in files
        for function in file.functions
        if function.verdict.is_vulnerable
    ]


def _finding(file: ScoredFile, function: ScoredFunction, target: Target) -> Finding:
    return Finding(
        file=file,
        function=function,
        suppression=target.suppressions.of(
            target.root.place(file.path), function=function.name, fingerprint=function.fingerprint
        ),
        is_new=None if target.known is None else function.fingerprint not in target.known,
    )
