"""Files read, divided into functions, and scored together."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.specs import Explain
from trainers.bundle.attribution import Weight
from trainers.bundle.git_changes import ChangedLines
from trainers.bundle.line_hashes import line_hashes
from trainers.bundle.places import shown_path
from trainers.bundle.scan_results import ScoredFile, ScoredFunction, WeighedLine
from trainers.bundle.source_text import NotText, decode, read_content
from trainers.bundle.verdict import FunctionVerdict
from trainers.source_functions.division import Coverage, FoundFunction, divide

# A function of more is not scored.
MAX_FUNCTION_BYTES = 1 << 20
# Of a line that weighed much, so much is kept to be shown.
MAX_LINE_CHARS = 200


class Predictor(Protocol):
    """What scores functions: a bundle."""

    def predict(
        self, functions: Sequence[str], *, threshold: float | None = None, explain: Explain = "findings"
    ) -> list[FunctionVerdict]:
        """Score functions, each by itself, in their order."""
        ...


@dataclass(frozen=True, kw_only=True)
class FileTask:
    """A file to score.

    Args:
        path: Where it is read.
        place: Where it is below the root, by which its functions are known again.
        changed: Only functions in which one of these lines lies are scored; null: all.
    """

    path: Path
    place: Path
    changed: ChangedLines | None = None


@dataclass(frozen=True, kw_only=True)
class FileOutcome:
    """What came of a file.

    Args:
        file: Its scores; null where it could not be read.
        problems: Why it, or some of its functions, were not scored.
        note: A remark; null without one.
        is_binary: It has no text to score.
    """

    file: ScoredFile | None = None
    problems: tuple[InputError, ...] = ()
    note: str | None = None
    is_binary: bool = False


@dataclass(frozen=True, kw_only=True)
class _ReadFile:
    """A file's content and those of its functions that are to be scored."""

    task: FileTask
    content: bytes
    lines: list[str]
    functions: list[FoundFunction]
    coverage: Coverage
    unchanged: int
    problems: tuple[InputError, ...]
    note: str | None


def score_files(
    bundle: Predictor, tasks: Sequence[FileTask], *, threshold: float | None, explain: Explain
) -> list[FileOutcome]:
    """Score the functions of some files; what keeps one from being read keeps no other from being scored.

    Args:
        threshold: Instead of the bundle's own, 0 to 1.
        explain: Which functions to explain.

    Raises:
        SpecError: The threshold is not a probability.
    """
    read = [_read(task) for task in tasks]
    sources = [function.source for one in read if isinstance(one, _ReadFile) for function in one.functions]
    verdicts = iter(bundle.predict(sources, threshold=threshold, explain=explain))
    return [one if isinstance(one, FileOutcome) else _scored(one, verdicts) for one in read]


def _read(task: FileTask) -> _ReadFile | FileOutcome:
    try:
        content = read_content(task.path)
        text = decode(content)
        division = divide(text.text, suffix=task.path.suffix)
    except DataError as error:
        return FileOutcome(problems=error.problems)
    except NotText:
        return FileOutcome(is_binary=True)
    except MemoryError:
        return FileOutcome(problems=(not_survived(task.path, "more than fits into memory"),))
    functions = division.functions
    changed = [one for one in functions if task.changed is None or task.changed.touch(one.start_line, one.end_line)]
    return _ReadFile(
        task=task,
        content=content,
        lines=text.text.replace("\r\n", "\n").replace("\r", "\n").split("\n"),
        functions=[one for one in changed if _is_short(one)],
        coverage=division.coverage,
        unchanged=len(functions) - len(changed),
        problems=tuple(_too_long(task.path, one) for one in changed if not _is_short(one)),
        note=text.note,
    )


def _is_short(function: FoundFunction) -> bool:
    # A character has up to four bytes; most functions need not be encoded for that.
    if len(function.source) * 4 <= MAX_FUNCTION_BYTES:
        return True
    return len(function.source.encode()) <= MAX_FUNCTION_BYTES


def _too_long(path: Path, function: FoundFunction) -> InputError:
    return InputError(
        where=shown_path(path),
        found=f"{function.name[:80]} in line {function.start_line}, of {len(function.source.encode())} bytes",
        expected=f"functions of at most {MAX_FUNCTION_BYTES} bytes",
        fix="it is not scored: divide it",
    )


def not_survived(path: Path, found: str) -> InputError:
    """Return the problem of a file that cannot be scored here."""
    return InputError(where=shown_path(path), found=found, expected="a file that can be scored here", fix="divide it")


def _scored(read: _ReadFile, verdicts: Iterator[FunctionVerdict]) -> FileOutcome:
    scored = [(function, next(verdicts)) for function in read.functions]
    hashes = line_hashes(read.content, (one.start_line for one, verdict in scored if verdict.is_vulnerable))
    seen: Counter[tuple[str, str]] = Counter()
    functions = []
    for function, verdict in scored:
        same = (function.name, function.source)
        functions.append(
            ScoredFunction(
                name=function.name,
                start_line=function.start_line,
                end_line=function.end_line,
                end_column=_end_column(read.lines, function.end_line),
                verdict=replace(verdict, weights=None),
                fingerprint=_fingerprint(read.task.place, function, number=seen[same]),
                line_hash=hashes.get(function.start_line) if verdict.is_vulnerable else None,
                weights=_in_file(verdict.weights, read.lines, before=function.start_line - 1),
            )
        )
        seen[same] += 1
    file = ScoredFile(path=read.task.path, functions=tuple(functions), coverage=read.coverage, unchanged=read.unchanged)
    return FileOutcome(file=file, problems=read.problems, note=read.note)


def _fingerprint(place: Path, function: FoundFunction, *, number: int) -> str:
    """Hash the place, name, text and number of a function.

    Args:
        number: Of equal ones in the file, from 0.
    """
    words = " ".join(function.source.split())
    facts = [os.fsencode(place.as_posix()), function.name.encode(), words.encode(), str(number).encode()]
    return hashlib.sha256(b"\0".join(facts)).hexdigest()


def _end_column(lines: Sequence[str], number: int) -> int:
    return len(lines[number - 1]) + 1


def _in_file(
    weights: tuple[Weight, ...] | None, lines: Sequence[str], *, before: int
) -> tuple[WeighedLine, ...] | None:
    """Return the weights of a function's lines as those of its file's.

    Args:
        before: Lines of the file before the function's first.
    """
    if weights is None:
        return None
    return tuple(
        WeighedLine(
            start_line=weight.start_line + before,
            end_line=weight.end_line + before,
            end_column=_end_column(lines, weight.end_line + before),
            log_odds=weight.log_odds,
            text=lines[weight.start_line + before - 1].strip()[:MAX_LINE_CHARS],
        )
        for weight in weights
    )
