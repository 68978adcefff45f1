"""Scores of every function in whole files, with the files' own line numbers."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.bundle import BundleManifest
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.specs import Explain
from trainers.bundle.attribution import Weight
from trainers.bundle.bundle import Bundle, FunctionVerdict
from trainers.bundle.c_functions import MAX_FUNCTION_BYTES, FoundFunction, find_files, split_file


@dataclass(frozen=True, kw_only=True)
class ScoredFunction:
    """One function of a file and its score.

    Args:
        fingerprint: The same as long as the function's file, name and text are, wherever in the file it moves.
        weights: Lines that added to the verdict, the most first, from 1 within the file; null where not explained.
    """

    function: FoundFunction
    prediction: FunctionVerdict
    fingerprint: str
    weights: tuple[Weight, ...] | None


@dataclass(frozen=True, kw_only=True)
class ScoredFile:
    """One file and its functions in their order."""

    path: Path
    functions: tuple[ScoredFunction, ...]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The scores of all functions of some files.

    Args:
        threshold: At or above it a function is called vulnerable.
        problems: Files that could not be read, and functions that were not scored: why.
    """

    manifest: BundleManifest
    threshold: float
    files: tuple[ScoredFile, ...]
    problems: tuple[InputError, ...]

    @property
    def functions(self) -> int:
        """How many functions were scored."""
        return sum(len(file.functions) for file in self.files)

    @property
    def findings(self) -> list[tuple[ScoredFile, ScoredFunction]]:
        """The functions that are called vulnerable."""
        return [(file, one) for file in self.files for one in file.functions if one.prediction.is_vulnerable]


def scan(bundle: Bundle, paths: Sequence[Path], *, threshold: float | None, explain: Explain) -> Scan:
    """Score every function of some files and of all C and C++ files of some folders.

    A file that cannot be read, and a function that is too long, do not keep the others from being scored.

    Args:
        threshold: Instead of the bundle's own, 0 to 1.
        explain: Which functions to explain.

    Raises:
        DataError: A path does not exist; all such are named.
        SpecError: The threshold is not a probability.
    """
    found: list[tuple[Path, list[FoundFunction]]] = []
    problems: list[InputError] = []
    for path in find_files(paths):
        try:
            functions = split_file(path)
        except DataError as error:
            problems.extend(error.problems)
        except MemoryError:
            problems.append(_too_much(path))
        else:
            problems.extend(_too_long(path, one) for one in functions if not _is_short(one))
            found.append((path, list(filter(_is_short, functions))))
    sources = [function.source for _, functions in found for function in functions]
    predictions = iter(bundle.predict(sources, threshold=threshold, explain=explain))
    return Scan(
        manifest=bundle.manifest,
        threshold=bundle.manifest.threshold if threshold is None else threshold,
        files=tuple(
            ScoredFile(path=path, functions=_scored(path, functions, [next(predictions) for _ in functions]))
            for path, functions in found
        ),
        problems=tuple(problems),
    )


def _is_short(function: FoundFunction) -> bool:
    # A character has up to four bytes; most functions need not be encoded for that.
    if len(function.source) * 4 <= MAX_FUNCTION_BYTES:
        return True
    return len(function.source.encode()) <= MAX_FUNCTION_BYTES


def _too_long(path: Path, function: FoundFunction) -> InputError:
    return InputError(
        where=str(path),
        found=f"{function.name[:80]} in line {function.start_line}, of {len(function.source.encode())} bytes",
        expected=f"functions of at most {MAX_FUNCTION_BYTES} bytes",
        fix="it is not scored: divide it",
    )


def _too_much(path: Path) -> InputError:
    return InputError(where=str(path), found="more than fits into memory", expected="a file that does", fix="divide it")


def _scored(
    path: Path, functions: Sequence[FoundFunction], predictions: Sequence[FunctionVerdict]
) -> tuple[ScoredFunction, ...]:
    seen: Counter[tuple[str, str]] = Counter()
    scored = []
    for function, prediction in zip(functions, predictions, strict=True):
        same = (function.name, function.source)
        scored.append(
            ScoredFunction(
                function=function,
                prediction=prediction,
                fingerprint=_fingerprint(path, function, number=seen[same]),
                weights=_in_file(prediction.weights, first_line=function.start_line),
            )
        )
        seen[same] += 1
    return tuple(scored)


def _fingerprint(path: Path, function: FoundFunction, *, number: int) -> str:
    """Hash the path, name, text and number of a function.

    Args:
        number: Of equal ones in the file, from 0.
    """
    words = " ".join(function.source.split())
    facts = [place_of(path).as_posix(), function.name, words, str(number)]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def place_of(path: Path) -> Path:
    """Return where a file is: relative to the working folder where it is below it, else absolute."""
    whole, here = path.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def _in_file(weights: tuple[Weight, ...] | None, *, first_line: int) -> tuple[Weight, ...] | None:
    if weights is None:
        return None
    before = first_line - 1
    return tuple(
        Weight(start_line=w.start_line + before, end_line=w.end_line + before, log_odds=w.log_odds) for w in weights
    )
