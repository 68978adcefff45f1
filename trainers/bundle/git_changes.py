"""Which lines of a checkout changed since a commit, as git tells it."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.errors import InputError, SpecError

# A checkout's settings name programs that git starts: none of those that a comparison could start is allowed.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_COMPARE = (
    "diff",
    "--unified=0",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    # What git takes for binary, as UTF-16 or by .gitattributes, has lines all the same.
    "--text",
    # A file that was only moved has nothing that changed.
    "--find-renames",
    "--no-relative",
    "--ignore-submodules=all",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
# A submodule, in the index and in a commit.
_LINK = re.compile(rb"160000 [0-9a-f]+ \d\t(.+)", re.DOTALL)
_ENTRY = re.compile(rb"160000 commit ([0-9a-f]+)\t")
_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


@dataclass(frozen=True, kw_only=True)
class ChangedLines:
    """What changed in one file.

    Args:
        ranges: First and last line of each change, as the file is now; where lines were only removed, the last line
            before them and the first one after.
        removed_at: Whether each range is such a place.
        is_new: Everything in it is new.
    """

    ranges: tuple[tuple[int, int], ...] = ()
    removed_at: tuple[bool, ...] = ()
    is_new: bool = False

    def touch(self, start_line: int, end_line: int) -> bool:
        """Return whether any line from the first to the last changed, or lines between them were removed."""
        if self.is_new:
            return True
        return any(
            (start_line <= first and last <= end_line) if removed else (start_line <= last and first <= end_line)
            for (first, last), removed in zip(self.ranges, self.removed_at, strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What changed in a checkout since a commit.

    Args:
        checkout: Its top folder, without links.
        files: By path, without links.
    """

    checkout: Path
    files: Mapping[Path, ChangedLines]

    def of(self, path: Path) -> ChangedLines | None:
        """Return what changed in a file; null where nothing did, or where it is outside the checkout."""
        return self.files.get(path.resolve())


def changes_since(reference: str, *, folder: Path) -> Changes:
    """Return the lines that differ between a commit and the files as they are; files that git does not know are new.

    A submodule is compared with the commit that it had then. What a file that was moved keeps is unchanged.

    Args:
        reference: A commit, branch or tag.
        folder: In the checkout.

    Raises:
        SpecError: The folder is in no checkout, it has no such commit, or git is missing or failed.
    """
    if reference.startswith("-") or not reference:
        raise _refused(reference, f"{reference!r}", "a commit, a branch or a tag; none begins with -")
    checkout = Path(os.fsdecode(_git(folder, reference, "rev-parse", "--show-toplevel").removesuffix(b"\n"))).resolve()
    return Changes(checkout=checkout, files=dict(_changed_files(checkout, reference, reference)))


def _changed_files(checkout: Path, commit: str, reference: str) -> Iterator[tuple[Path, ChangedLines]]:
    """Yield the changed files of a checkout and of the submodules in it.

    Args:
        commit: Since when.
        reference: What was asked for, for messages.
    """
    whole = _git(checkout, reference, "rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    commit = whole.decode().strip()
    for name, lines in _parsed(_git(checkout, reference, *_COMPARE, commit, "--").split(b"\n")):
        yield checkout / name, lines
    untracked = _git(checkout, reference, "ls-files", "--others", "--exclude-standard", "-z")
    yield from _all_new(checkout, untracked)
    links = [_LINK.fullmatch(entry) for entry in _git(checkout, reference, "ls-files", "--stage", "-z").split(b"\0")]
    for name in {os.fsdecode(link.group(1)) for link in links if link is not None}:
        submodule = checkout / name
        # One that was not fetched is an empty folder, in which git would take the checkout around for it.
        if submodule.is_dir() and not submodule.is_symlink() and (submodule / ".git").exists():
            yield from _changed_in_submodule(submodule, _git(checkout, reference, "ls-tree", "-z", commit, "--", name))


def _changed_in_submodule(submodule: Path, entry: bytes) -> Iterator[tuple[Path, ChangedLines]]:
    """Yield the changed files of a submodule.

    Args:
        entry: What the commit around it has at its place; nothing where it is new.
    """
    before = _ENTRY.match(entry)
    if before is None:
        yield from _all_new(submodule, _git(submodule, "HEAD", "ls-files", "--cached", "--others", "-z"))
    else:
        commit = before.group(1).decode()
        yield from _changed_files(submodule, commit, commit)


def _all_new(checkout: Path, names: bytes) -> Iterator[tuple[Path, ChangedLines]]:
    for name in names.split(b"\0"):
        if name:
            yield checkout / os.fsdecode(name), ChangedLines(is_new=True)


def _git(folder: Path, reference: str, *arguments: str) -> bytes:
    command = ["git", *_SAFE, "-C", str(folder), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False)
    except OSError as error:
        raise _refused(reference, f"git cannot be started: {error}", "git on the PATH") from error
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip() or f"git ended with {done.returncode}"
        raise _refused(reference, told, f"a commit of the checkout at {folder}")
    return done.stdout


def _refused(reference: str, found: str, expected: str) -> SpecError:
    fix = "name one that `git rev-parse` knows; a shallow clone may have to fetch it first"
    problem = InputError(where=f"--diff {reference}", found=found, expected=expected, fix=fix)
    return SpecError("what changed cannot be told", [problem])


def _parsed(lines: Sequence[bytes]) -> Iterator[tuple[str, ChangedLines]]:
    """Yield each file of git's output that is still there, and its changed lines."""
    name: str | None = None
    ranges: list[tuple[int, int]] = []
    removed: list[bool] = []
    remaining = iter(lines)
    for line in remaining:
        hunk = _HUNK.match(line)
        if line.startswith(b"diff --git ") and name is not None:
            yield name, ChangedLines(ranges=tuple(ranges), removed_at=tuple(removed))
            name = None
        elif line.startswith(b"+++ "):
            name, ranges, removed = _name(line.removeprefix(b"+++ ")), [], []
        elif hunk is not None:
            taken, first, added = (int(group) if group is not None else 1 for group in hunk.groups())
            ranges.append((first, first + added - 1) if added else (first, first + 1))
            removed.append(not added)
            # The lines themselves may look like anything.
            _skip(remaining, taken + added)
    if name is not None:
        yield name, ChangedLines(ranges=tuple(ranges), removed_at=tuple(removed))


def _skip(lines: Iterator[bytes], count: int) -> None:
    """Pass over the lines of one change; the remark that a file has no last line end is none of them."""
    while count > 0 and (line := next(lines, None)) is not None:
        count -= not line.startswith(b"\\")


def _name(field: bytes) -> str | None:
    """Return the path in a line `+++ b/path`; null where the file was deleted. Odd names stand in quotes, escaped."""
    if field.startswith(b'"'):
        field = _ESCAPE.sub(_unescaped, field[1:].rstrip(b"\t").removesuffix(b'"'))
    else:
        field = field.removesuffix(b"\t")
    return os.fsdecode(field.removeprefix(b"b/")) if field != b"/dev/null" else None


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape.group(1)
    return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPED.get(code, code)
