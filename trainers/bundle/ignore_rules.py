"""Which files of a tree are left out: by the patterns of its `.gitignore` files, and by those of a command."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pathspec import GitIgnoreSpec

from cellgate.contract.errors import InputError, SpecError

IGNORE_NAME = ".gitignore"
# Checked against each file: more would let a tree choose how long it takes.
MAX_IGNORE_BYTES = 1 << 20
# Of a folder and those above it together.
MAX_PATTERNS = 5_000
MAX_PATH_BYTES = 4096
# A pattern is matched by backtracking, to the power of its stars.
MAX_STARS = 4
MAX_PATH_BYTES = 4096
_STARS = re.compile(r"\*+")


@dataclass(frozen=True, kw_only=True)
class IgnoreFile:
    """The patterns of one folder, which count for what lies below it.

    Args:
        folder: Whose patterns they are.
        spec: The compiled patterns.
        outer: Of a folder above; the nearer patterns win.
        patterns: How many there are, those of the folders above included.
    """

    folder: Path
    spec: GitIgnoreSpec
    outer: Self | None
    patterns: int

    def ignores(self, path: Path, *, is_folder: bool) -> bool:
        """Return whether the patterns leave a path out.

        Args:
            path: Below the folder.
        """
        rules: IgnoreFile | None = self
        while rules is not None:
            name = path.relative_to(rules.folder).as_posix() + ("/" if is_folder else "")
            decided = rules.spec.check_file(name).include
            if decided is not None:
                return decided
            rules = rules.outer
        return False


@dataclass(frozen=True, kw_only=True)
class ReadRules:
    """What a folder's file of patterns came to.

    Args:
        rules: With those of the folders above; null where there are none.
        note: Why some or all of its patterns do not count; null where all do.
    """

    rules: IgnoreFile | None
    note: str | None


def exclude_file(checkout: Path) -> Path:
    """Return where a checkout's own patterns stand, `info/exclude`; of linked worktrees that is with the main one.

    Source:
        gitrepository-layout(5): `.git` as a file `gitdir: PATH`, and `commondir` in that folder.
    """
    folder = checkout / ".git"
    if folder.is_file():
        folder = checkout / (_first_line(folder).removeprefix("gitdir:").strip() or ".git")
    common = folder / "commondir"
    return (folder / _first_line(common) if common.is_file() else folder) / "info" / "exclude"


def _first_line(path: Path) -> str:
    """Return the line that names a path; nothing where it cannot be read."""
    try:
        with path.open("rb") as opened:
            return os.fsdecode(opened.readline(MAX_PATH_BYTES)).rstrip("\r\n").replace("\0", "")
    except OSError:
        return ""


def read_rules(folder: Path, outer: IgnoreFile | None, *, file: Path | None = None) -> ReadRules:
    """Return the patterns of a folder together with those above it.

    Args:
        file: Where they stand; null is the folder's `.gitignore`.
    """
    source = folder / IGNORE_NAME if file is None else file
    if source.is_symlink() or not source.is_file():
        return ReadRules(rules=outer, note=None)
    try:
        with source.open("rb") as opened:
            content = opened.read(MAX_IGNORE_BYTES + 1)
    except OSError as error:
        return ReadRules(rules=outer, note=f"its patterns do not count: {error}")
    lines = content.decode(errors="surrogateescape").splitlines()
    patterns = len(lines) + (0 if outer is None else outer.patterns)
    if len(content) > MAX_IGNORE_BYTES or patterns > MAX_PATTERNS:
        found = f"more than {MAX_IGNORE_BYTES} bytes, or {MAX_PATTERNS} lines with those of the folders above"
        return ReadRules(rules=outer, note=f"its patterns do not count: {found}")
    spec, refused = _compiled(lines)
    note = (
        f"{refused} of its patterns do not count: no patterns, or of more than {MAX_STARS} stars" if refused else None
    )
    return ReadRules(rules=IgnoreFile(folder=folder, spec=spec, outer=outer, patterns=patterns), note=note)


def _compiled(lines: Sequence[str]) -> tuple[GitIgnoreSpec, int]:
    """Return the patterns that can be used, and how many cannot."""
    kept, refused = [], 0
    for line in lines:
        if line.startswith("#") or _problem(line) is None:
            kept.append(line)
        else:
            refused += 1
    return GitIgnoreSpec.from_lines(kept), refused


def _problem(pattern: str) -> str | None:
    if len(_STARS.findall(pattern)) > MAX_STARS:
        return f"more than {MAX_STARS} stars"
    try:
        GitIgnoreSpec.from_lines([pattern])
    except ValueError as error:
        return str(error)
    return None


def excluding(patterns: Sequence[str]) -> GitIgnoreSpec:
    """Return the patterns of a command, compiled.

    Raises:
        SpecError: One of them is no pattern; all such are named.
    """
    problems = [
        InputError(where=f"--exclude {pattern}", found=problem, expected="a pattern as in .gitignore")
        for pattern in patterns
        if (problem := _problem(pattern)) is not None
    ]
    if problems:
        raise SpecError("patterns cannot be used", problems)
    return GitIgnoreSpec.from_lines(patterns)
