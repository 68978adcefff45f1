"""What every form of file gives: its rows one after another, and a reason for each that cannot be read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.inspection import Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    """Why one row is left out."""

    reason: Reason
    found: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RawRow:
    """One row as it stands in its file.

    Args:
        number: Its line, or its place among the rows where a row has no line of its own; from 1.
        place: The same in words, e.g. `line 3`.
        content: By column, or what is wrong with the row.
        split: A split that the file states around the row.
    """

    number: int
    place: str
    content: dict[str, object] | Defect
    split: str | None = None


RawRows = Iterator[RawRow]


def unreadable(path: Path, error: Exception, *, fix: str = "check that the file is complete") -> DataError:
    """Return the error for a file that cannot be read, or not on from some place."""
    if isinstance(error, FileNotFoundError):
        fix = "check the path"
    return DataError(
        f"{path}: cannot be read; {fix}",
        [
            InputError(
                where=str(path),
                found=f"a file that cannot be read: {error}",
                expected="a readable file of functions",
                fix=fix,
            )
        ],
    )


def damaged(content: bytes, error: UnicodeDecodeError) -> Defect:
    """Return the defect of bytes that are no UTF-8."""
    found = f"byte 0x{content[error.start]:02x} at position {error.start}, which is no UTF-8"
    return Defect(reason=Reason.UNDECODABLE, found=found)
