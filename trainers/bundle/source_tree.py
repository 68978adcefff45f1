"""The C and C++ files of folders: each real file once, and what was passed over, counted by reason."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pathspec import GitIgnoreSpec

from cellgate.contract.errors import DataError, InputError
from trainers.bundle.ignore_rules import IGNORE_NAME, IgnoreFile, exclude_file, excluding, read_rules
from trainers.bundle.places import Root, shown_path
from trainers.source_functions.language import SUFFIXES as KNOWN_SUFFIXES

# Besides those whose language is known: HIP, OpenCL, Arduino's old one, and rarer ones of headers and modules.
SUFFIXES = KNOWN_SUFFIXES | {".hip", ".cl", ".pde", ".hp", ".icc", ".ccm", ".cxxm", ".c++m", ".mpp"}
VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", "CVS", ".jj"})
MAX_EXAMPLES = 10


class Reason(StrEnum):
    """Why a file or a folder was passed over."""

    NO_SOURCE = "no C or C++ by its suffix"
    IGNORED = "ignored by .gitignore"
    EXCLUDED = "left out by --exclude"
    VERSION_CONTROL = "version control's own"
    LINK_INSIDE = "a link to elsewhere in the tree"
    LINK_OUTSIDE = "a link out of the tree"
    LINK_BROKEN = "a link to nothing"
    NO_FILE = "no regular file"
    BINARY = "binary"
    UNCHANGED = "unchanged"


@dataclass(kw_only=True)
class PassedOver:
    """What was passed over for one reason.

    Args:
        files: How many files; of folders that were passed over whole, those inside are not counted.
        folders: How many folders.
        suffixes: Of the files, how many of each.
        examples: The first few, for a person to see.
    """

    files: int = 0
    folders: int = 0
    suffixes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Sources:
    """What there is to score.

    Args:
        files: Each real file once, in the order of the paths, in folders by name.
        passed: What was passed over, by reason.
        problems: Folders that could not be read.
        notes: Remarks on files that are no problem, with where they are.
    """

    files: list[Path] = field(default_factory=list)
    passed: dict[Reason, PassedOver] = field(default_factory=dict)
    problems: list[tuple[Path, InputError]] = field(default_factory=list)
    notes: list[tuple[Path, str]] = field(default_factory=list)

    def pass_over(self, path: Path, reason: Reason, *, is_folder: bool = False) -> None:
        """Count what is not scored."""
        passed = self.passed.setdefault(reason, PassedOver())
        if is_folder:
            passed.folders += 1
        else:
            passed.files += 1
            passed.suffixes[path.suffix.lower() or "no suffix"] += 1
        if len(passed.examples) < MAX_EXAMPLES:
            passed.examples.append(shown_path(path) + ("/" if is_folder else ""))


def find_sources(
    paths: Sequence[Path], *, root: Root, exclude: Sequence[str] = (), respect_gitignore: bool = True
) -> Sources:
    """Return the files themselves, and of each folder the C and C++ files in it.

    A link is followed where a path itself is one. In folders a link counts for nothing that is scored without it, and
    never leads out of the folder.

    Args:
        paths: Files and folders.
        root: What the patterns are relative to.
        exclude: Patterns of files and folders that are left out, as in `.gitignore`; named files too.
        respect_gitignore: False scores what `.gitignore` files leave out; named files are scored in any case.

    Raises:
        DataError: A path is neither a file nor a folder; all such are named.
        SpecError: A pattern cannot be used.
    """
    problems = [
        InputError(where=shown_path(path), found="nothing", expected="a file or a folder", fix="check the path")
        for path in paths
        if not path.exists()
    ]
    if problems:
        raise DataError("there is nothing to read", problems)
    walk = _Walk(root=root, exclude=excluding(exclude), respect_gitignore=respect_gitignore)
    for path in paths:
        if path.is_dir():
            walk.add_folder(path)
        else:
            walk.add_file(path.resolve() if path.is_symlink() else path)
    return walk.found


class _Walk:
    """One walk over some paths."""

    def __init__(self, *, root: Root, exclude: GitIgnoreSpec, respect_gitignore: bool) -> None:
        self.found = Sources()
        self._root = root
        self._exclude = exclude
        self._respect_gitignore = respect_gitignore
        self._seen: set[Path] = set()

    def add_file(self, path: Path) -> None:
        """Take a file that is to be scored, unless it was taken before or is left out."""
        whole = path.resolve()
        if whole in self._seen:
            return
        self._seen.add(whole)
        if self._is_excluded(path, top=path.parent, is_folder=False):
            self.found.pass_over(path, Reason.EXCLUDED)
        else:
            self.found.files.append(path)

    def add_folder(self, top: Path) -> None:
        """Take the source files of a folder and of those below it; without recursion, since a tree may be deep."""
        waiting: list[tuple[Path, IgnoreFile | None]] = [(top, self._rules_above(top))]
        links: list[Path] = []
        while waiting:
            folder, rules = waiting.pop()
            rules = self._rules_of(folder, rules)
            folders = []
            for entry in self._entries(folder):
                path = folder / entry.name
                if entry.is_symlink():
                    links.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    reason = self._reason_against_folder(path, top, rules)
                    if reason is None:
                        folders.append((path, rules))
                    else:
                        self.found.pass_over(path, reason, is_folder=True)
                else:
                    self._take(path, entry, top, rules)
            waiting.extend(reversed(folders))
        for path in links:
            self._take_link(path, top)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            problem = InputError(where=shown_path(folder), found=str(error), expected="a readable folder")
            self.found.problems.append((folder, problem))
            return []

    def _take(self, path: Path, entry: os.DirEntry[str], top: Path, rules: IgnoreFile | None) -> None:
        if path.suffix.lower() not in SUFFIXES:
            self.found.pass_over(path, Reason.NO_SOURCE)
        elif not entry.is_file(follow_symlinks=False):
            self.found.pass_over(path, Reason.NO_FILE)
        elif self._is_excluded(path, top=top, is_folder=False):
            self.found.pass_over(path, Reason.EXCLUDED)
        elif rules is not None and rules.ignores(path.resolve(), is_folder=False):
            self.found.pass_over(path, Reason.IGNORED)
        else:
            self.add_file(path)

    def _take_link(self, path: Path, top: Path) -> None:
        """Count a link; one to a file of the tree that is not scored under its own name is scored, once."""
        is_source = path.suffix.lower() in SUFFIXES
        # Not Path.resolve(), which fails on a link to itself.
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(top.resolve()):
            self.found.pass_over(path, Reason.LINK_OUTSIDE)
        elif not target.exists():
            self.found.pass_over(path, Reason.LINK_BROKEN)
        elif not is_source or target in self._seen or not target.is_file() or target.suffix.lower() in SUFFIXES:
            self.found.pass_over(path, Reason.LINK_INSIDE)
        else:
            self.add_file(top / target.relative_to(top.resolve()))

    def _reason_against_folder(self, path: Path, top: Path, rules: IgnoreFile | None) -> Reason | None:
        if path.name in VERSION_CONTROL:
            return Reason.VERSION_CONTROL
        if self._is_excluded(path, top=top, is_folder=True):
            return Reason.EXCLUDED
        if rules is not None and rules.ignores(path.resolve(), is_folder=True):
            return Reason.IGNORED
        return None

    def _is_excluded(self, path: Path, *, top: Path, is_folder: bool) -> bool:
        place = self._root.place(path)
        if place.is_absolute():
            place = path.relative_to(top)
        return self._exclude.check_file(place.as_posix() + ("/" if is_folder else "")).include is True

    def _rules_above(self, top: Path) -> IgnoreFile | None:
        """Return the patterns of the folders between the root and a folder, the root's own included."""
        whole = top.resolve()
        if not self._respect_gitignore or not whole.is_relative_to(self._root.folder):
            return None
        rules = read_rules(self._root.folder, None, file=exclude_file(self._root.folder)).rules
        for folder in reversed(whole.parents):
            if folder.is_relative_to(self._root.folder):
                rules = read_rules(folder, rules).rules
        return rules

    def _rules_of(self, folder: Path, outer: IgnoreFile | None) -> IgnoreFile | None:
        if not self._respect_gitignore:
            return None
        read = read_rules(folder.resolve(), outer)
        if read.note is not None:
            self.found.notes.append((folder / IGNORE_NAME, read.note))
        return read.rules


def told_passed_over(passed: Mapping[Reason, PassedOver]) -> Iterator[str]:
    """Yield a line for each reason: how many files and folders were passed over, and which."""
    for reason in Reason:
        if (one := passed.get(reason)) is None:
            continue
        counts = [_counted(one.files, "file"), _counted(one.folders, "folder")]
        which = (
            ", ".join(f"{suffix} {count}" for suffix, count in one.suffixes.most_common(MAX_EXAMPLES))
            if reason is Reason.NO_SOURCE
            else ", ".join(one.examples)
        )
        yield f"passed over, {reason}: {' and '.join(filter(None, counts))} ({which})"


def _counted(count: int, noun: str) -> str:
    return "" if count == 0 else f"{count} {noun}" if count == 1 else f"{count} {noun}s"
