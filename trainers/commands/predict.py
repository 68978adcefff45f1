"""`predict`: score the files of a tree with a bundle."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cellgate.contract.exit_codes import CommandExit, ExitCode
from cellgate.contract.specs import Explain
from cellgate.contract.visible import visible_json, visible_line
from trainers.commands.outcome import exit_on_trainer_error, exit_when_not_writable

if TYPE_CHECKING:
    from cellgate.contract.bundle import BundleManifest
    from trainers.bundle.file_scoring import FileOutcome, Predictor
    from trainers.bundle.scan import FileScorer, Target
    from trainers.bundle.scan_results import Scan

# Not 1, with which Python itself ends when it fails.
FOUND = CommandExit.FOUND
NOTHING_SCORED = CommandExit.NOTHING_SCORED
# What code hosts show of one upload.
MAX_SARIF_RESULTS = 5_000
# A process takes about so much before it has read anything.
PROCESS_BYTES = 1 << 30
Format = Literal["text", "json", "sarif"]
Progress = Callable[["FileOutcome"], None]


def predict(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Source files, or folders of source files.")],
    format_: Annotated[Format, typer.Option("--format", help="How to print the scores.")] = "text",
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="Threshold instead of the bundle's own, 0 to 1.")
    ] = None,
    explain: Annotated[Explain, typer.Option(help="Functions whose heaviest lines are named.")] = "findings",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of standard output.")] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder that URIs and patterns are relative to; default: the checkout, else this folder.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Leave out files and folders, as a line of .gitignore does; repeat it."),
    ] = None,
    gitignore: Annotated[bool, typer.Option(help="Leave out what .gitignore files leave out.")] = True,
    diff: Annotated[
        str | None, typer.Option(metavar="REF", help="Score only functions whose lines changed since this commit.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An earlier report, SARIF or JSON: report new findings only.")
    ] = None,
    suppressions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Findings not to report again, with reasons; default: .cellgate-ignore."),
    ] = None,
    max_results: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Report the N most probable findings; default: all, 5000 in SARIF."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; default: as many as cores and memory allow.")
    ] = None,
) -> None:
    """Score the functions of C and C++ files with a bundle.

    Exit codes, the first that holds: 2 wrong usage; 9 at least one new finding that is not suppressed; 3 the bundle, a
    file or a function cannot be read (the others are scored and printed); 12 there was no file to score; 0 no finding.
    """
    from trainers.bundle.scan import ScanOptions, find_target, scan

    options = ScanOptions(
        threshold=threshold,
        explain=explain,
        root=root,
        exclude=exclude or (),
        respect_gitignore=gitignore,
        diff=diff,
        baseline=baseline,
        suppressions=suppressions,
    )
    with exit_on_trainer_error(with_reason=True):
        target = find_target(files, options)
        with _progress(len(target.tasks)) as progress:
            found = scan(_scorer(bundle, target, jobs), target, options, progress=progress)
    _write(found, format_, out, max_results)
    for _, problem in found.problems:
        print(visible_line(str(problem)), file=sys.stderr)
    raise typer.Exit(_exit_code(found))


def _scorer(path: Path, target: "Target", jobs: int | None) -> "FileScorer":
    """Return what scores the files: this process, where there is too little for several."""
    from cellgate.contract.bundle import read_bundle_manifest
    from trainers.bundle.scan_here import LocalScorer, batches
    from trainers.bundle.scan_workers import ONE_THREAD, WorkersScorer

    os.environ.update(ONE_THREAD)
    manifest = read_bundle_manifest(path)
    opener = partial(_open, path, manifest)
    wanted = min(_allowed() if jobs is None else jobs, len(batches(target.tasks)))
    if wanted > 1:
        return WorkersScorer(opener, manifest, jobs=wanted, preload=["trainers.bundle.open_for_scan"])
    return LocalScorer(opener, manifest)


def _open(path: Path, manifest: "BundleManifest") -> "Predictor":
    # Imported where files are scored: the libraries take seconds.
    from trainers.bundle.open_for_scan import open_for_scan

    return open_for_scan(path, manifest)


def _allowed() -> int:
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // PROCESS_BYTES))


@contextmanager
def _progress(files: int) -> Iterator[Progress]:
    """Yield what counts a file that is done; on a terminal it draws a bar with the rate, on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files, {task.fields[functions]} functions, {task.fields[rate]:.0f}/s"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal or files == 0:
        yield lambda _: None
        return
    begun, functions = time.monotonic(), 0
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("scoring", total=files, functions=0, rate=0.0)

        def count(outcome: "FileOutcome") -> None:
            nonlocal functions
            functions += 0 if outcome.file is None else len(outcome.file.functions)
            rate = functions / max(time.monotonic() - begun, 1e-9)
            bar.update(task, advance=1, functions=functions, rate=rate)

        yield count


def _write(found: "Scan", format_: Format, out: Path | None, max_results: int | None) -> None:
    from cellgate.contract.files import write_bytes
    from trainers.bundle.sarif import as_sarif
    from trainers.bundle.scan_report import as_json, as_text

    match format_:
        case "text":
            text = as_text(found, max_results=max_results)
        case "json":
            text = as_json(found)
        case "sarif":
            text = as_sarif(found, max_results=MAX_SARIF_RESULTS if max_results is None else max_results)
    with exit_when_not_writable(out, ExitCode.BAD_SPEC):
        if out is None:
            # Text is safe to show already; in JSON escapes mean the same.
            sys.stdout.write(visible_json(text))
        else:
            write_bytes(out, text.encode())


def _exit_code(found: "Scan") -> int:
    """Return the most important of the codes that hold."""
    if found.open_findings:
        return FOUND
    if found.problems:
        return ExitCode.DATA_ERROR
    return NOTHING_SCORED if found.is_empty else ExitCode.SUCCESS
