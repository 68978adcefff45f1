"""Everything a trainer can fail with.

TrainerError
├── SpecError             the spec is wrong
├── DataError             the data set or another input is wrong
├── PreflightError        a blocker was found before training
├── CollapseError         the model predicts nothing useful
├── DivergenceError       loss, weights or gradients are NaN or Inf
├── OutOfMemoryError      host or device memory ran out
├── StorageFullError      no room left on the disk
└── InterruptedRun        stopped from outside; a checkpoint was saved
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.storage import describe_room

MAX_LISTED = 20
MAX_SHOWN = 120
MAX_EXCERPT = 80
# Of torch on the CPU, which raises a bare RuntimeError: its allocator, and the oneDNN kernels, whose own allocation
# failed.
_ALLOCATION_WORDS = ("can't allocate memory", "could not create a primitive", "could not create a memory object")


@dataclass(frozen=True, kw_only=True)
class InputError:
    """One mistake in an input: where it is, what was found, what was expected, what to do."""

    where: str
    found: str
    expected: str
    fix: str = ""

    def __str__(self) -> str:
        advice = f"; {self.fix}" if self.fix else ""
        return f"{self.where}: found {self.found}, expected {self.expected}{advice}"


def shortened(value: object) -> str:
    """Return a value as text, its end left out where it is long."""
    text = str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}…"


def json_excerpt(value: object) -> str:
    """Return a value as JSON on one line, its end left out where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= MAX_EXCERPT else f"{text[: MAX_EXCERPT - 1]}…"


class TrainerError(Exception):
    """A failure with a cause that the exit code names.

    Args:
        message: One sentence: what happened and what to do.
        problems: Every mistake found, not only the first.
        total: How many there were when `problems` holds only the first of them.
    """

    exit_code = ExitCode.INTERNAL_ERROR
    reason = "internal_error"

    def __init__(self, message: str, problems: Iterable[InputError] = (), *, total: int | None = None) -> None:
        self.message = message
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        super().__init__(message)

    def __str__(self) -> str:
        lines = [self.message, *(f"  {problem}" for problem in self.problems[:MAX_LISTED])]
        if self.total > MAX_LISTED:
            lines.append(f"  … and {self.total - MAX_LISTED} more")
        return "\n".join(lines)


class SpecError(TrainerError):
    """The spec does not validate, or requests something that is not available."""

    exit_code = ExitCode.BAD_SPEC
    reason = "bad_spec"


class DataError(TrainerError):
    """The data set is missing, damaged, inconsistent or unusable."""

    exit_code = ExitCode.DATA_ERROR
    reason = "data_error"

    @classmethod
    def unreadable(cls, path: Path, message: str, error: Exception, *, expected: str, fix: str = "") -> Self:
        """Return the error for a file or folder that could not be read.

        Args:
            path: The file or folder; begins the message.
            message: What happened to it, e.g. "the data set is damaged".
            error: What the library raised; its class and text are shown as found.
            expected: What a good file holds.
            fix: What to do, e.g. "restore the folder".
        """
        found = f"{type(error).__name__}: {error}"
        return cls(f"{path}: {message}", [InputError(where=str(path), found=found, expected=expected, fix=fix)])


class PreflightError(TrainerError):
    """Pre-flight validation found at least one blocker."""

    exit_code = ExitCode.PREFLIGHT_FAILED
    reason = "preflight_failed"


class CollapseError(TrainerError):
    """The model collapsed: single class, constant logits, F1 of zero, stuck at the prior …"""

    exit_code = ExitCode.COLLAPSE
    reason = "collapse"


class DivergenceError(TrainerError):
    """Loss, gradients or weights became NaN or Inf."""

    exit_code = ExitCode.DIVERGENCE
    reason = "divergence"


class OutOfMemoryError(TrainerError):
    """Memory ran out, on the host or on the device, after every back-off."""

    exit_code = ExitCode.OUT_OF_MEMORY
    reason = "out_of_memory"


class StorageFullError(TrainerError):
    """There was no room left to write to; what was written before, the last checkpoint included, stays."""

    exit_code = ExitCode.STORAGE_FULL
    reason = "storage_full"

    @classmethod
    def of(cls, folder: Path, error: BaseException) -> Self:
        """Return the error for a folder that could not be written to, with what is free there."""
        return cls(
            f"there is no room left to write to {folder} ({describe_room(folder)}): {error}; make room, then the run "
            "goes on from its last checkpoint"
        )


class InterruptedRun(TrainerError):
    """The run had to stop and has saved a checkpoint to go on from."""

    exit_code = ExitCode.INTERRUPTED
    reason = "interrupted"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether host or device memory ran out; recognised without torch, by the class name and the message."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ == "OutOfMemoryError" or any(words in str(error) for words in _ALLOCATION_WORDS)
