"""Findings that people have looked at and do not want to be told again, each with a reason."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from pathspec import GitIgnoreSpec

from cellgate.contract.errors import DataError, InputError

SUPPRESSIONS_NAME = ".cellgate-ignore"
MAX_SUPPRESSION_BYTES = 1 << 20
MAX_STARS = 4
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_REASON = re.compile(r"\s#\s*")
# A blank within a name is written with a backslash before it, as in .gitignore.
_BLANK = re.compile(r"(?<!\\)\s+")
_ESCAPED_BLANK = re.compile(r"\\(\s)")
EXPECTED = "PATTERN [FUNCTION] # reason, or FINGERPRINT # reason"


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """One line of the file.

    Args:
        line: Its number, from 1.
        reason: Why what it names is no finding.
        fingerprint: Of the one finding that it names; null where it names files.
        files: The files that it names; null where it names one finding.
        function: Pattern of the names of the functions in them.
    """

    line: int
    reason: str
    fingerprint: str | None
    files: GitIgnoreSpec | None
    function: str

    def covers(self, place: PurePath, *, function: str, fingerprint: str) -> bool:
        """Return whether it names a finding.

        Args:
            place: Of the file, relative to the root.
            function: Its name, with the scopes that it stands in.
        """
        if self.files is None:
            return fingerprint == self.fingerprint
        named = fnmatchcase(function, self.function) or fnmatchcase(function.rpartition("::")[2], self.function)
        return named and self.files.check_file(place.as_posix()).include is True


@dataclass(frozen=True, kw_only=True)
class Suppressions:
    """All lines of a file.

    Args:
        path: Where they were read; null where there is none.
    """

    path: Path | None
    lines: tuple[Suppression, ...]

    def of(self, place: PurePath, *, function: str, fingerprint: str) -> Suppression | None:
        """Return the first line that names a finding."""
        return next((one for one in self.lines if one.covers(place, function=function, fingerprint=fingerprint)), None)

    def unused(self, findings: Iterable[tuple[PurePath, str, str]]) -> list[Suppression]:
        """Return the lines that name none of the findings.

        Args:
            findings: Of each the place, the function's name and the fingerprint.
        """
        left = list(self.lines)
        for place, function, fingerprint in findings:
            left = [one for one in left if not one.covers(place, function=function, fingerprint=fingerprint)]
        return left


NO_SUPPRESSIONS = Suppressions(path=None, lines=())


def read_suppressions(path: Path) -> Suppressions:
    """Read the suppressions in a file.

    Raises:
        DataError: It cannot be read, or has lines that name nothing or give no reason; all such are named.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SUPPRESSION_BYTES + 1)
        if len(content) > MAX_SUPPRESSION_BYTES:
            raise ValueError(f"more than {MAX_SUPPRESSION_BYTES} bytes")
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError.unreadable(
            path, "the suppressions cannot be read", error, expected="UTF-8 text of at most 1 MiB"
        ) from error
    read = [_read(path, number, line) for number, line in enumerate(lines, start=1) if _tells(line)]
    problems = [one for one in read if isinstance(one, InputError)]
    if problems:
        raise DataError(f"{path}: suppressions cannot be used", problems)
    return Suppressions(path=path, lines=tuple(one for one in read if isinstance(one, Suppression)))


def _tells(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _read(path: Path, number: int, line: str) -> Suppression | InputError:
    what, *rest = _REASON.split(line.strip(), maxsplit=1)
    reason = rest[0].strip() if rest else ""
    words = _BLANK.split(what.strip())
    found = None
    if not reason:
        found = "no reason"
    elif len(words) > 2:
        found = f"{len(words)} words before the reason"
    elif what.startswith("!") or what.count("*") > MAX_STARS:
        found = f"a pattern that begins with ! or has more than {MAX_STARS} stars"
    if found is not None:
        return InputError(where=f"{path}, line {number}", found=found, expected=EXPECTED, fix="correct the line")
    if len(words) == 1 and _FINGERPRINT.fullmatch(words[0]):
        return Suppression(line=number, reason=reason, fingerprint=words[0], files=None, function="*")
    try:
        files = GitIgnoreSpec.from_lines([words[0]])
    except ValueError as error:
        return InputError(where=f"{path}, line {number}", found=str(error), expected=EXPECTED, fix="correct the line")
    function = _ESCAPED_BLANK.sub(r"\1", words[1]) if len(words) == 2 else "*"
    return Suppression(line=number, reason=reason, fingerprint=None, files=files, function=function)
