"""The files of a source: one, those of folders, or several of both; and what their names say of split and label."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.source_files import READABLE, is_of_functions
from trainers.data.read.code_trees import is_code_tree, walk
from trainers.data.read.stated_names import label_in, split_in


@dataclass(frozen=True, kw_only=True)
class SourcePath:
    """One file of a source.

    Args:
        path: Where it lies.
        name: As messages show it: relative to its folder.
        is_alone: Whether it is the only file: messages need not name it, and its name states no split.
        label: The label that its name states for all of its rows, where the source has files of both.
        is_of_folder: Whether it was found in a folder, not named.
    """

    path: Path
    name: str
    is_alone: bool
    label: int | None = None
    is_of_folder: bool = False

    @property
    def prefix(self) -> str:
        """What stands before a row's place in messages."""
        return "" if self.is_alone else f"{self.name}, "

    @property
    def split(self) -> str | None:
        """The split that the file's name states, or else the nearest folder's."""
        if self.is_alone:
            return None
        return split_in(self.name)


def files_of(sources: Sequence[Path]) -> tuple[list[SourcePath], list[str]]:
    """Return the files of functions of all sources in order, and notes about what is not read.

    Raises:
        DataError: A folder holds no file of functions, or one cannot be read.
    """
    found: list[tuple[Path, str]] = []
    notes: list[str] = []
    for source in sources:
        if source.is_dir():
            prefix = "" if len(sources) == 1 else f"{source.name}/"
            files, left = _of_folder(source)
            found += [(path, f"{prefix}{name}") for path, name in files]
            notes += [f"{prefix or 'The folder'}: {left} are not read."] if left else []
        else:
            found.append((source, source.name))
    labels = [label_in(name) for _, name in found]
    # A word in the name of one file alone says nothing: data_clean.jsonl holds more than safe functions.
    stated = labels if {0, 1} <= set(labels) else [None] * len(labels)
    named = frozenset(sources)
    is_alone = [path for path, _ in found] == list(sources) and len(found) == 1
    return [
        SourcePath(path=path, name=name, is_alone=is_alone, label=label, is_of_folder=path not in named)
        for (path, name), label in zip(_told_apart(found), stated, strict=True)
    ], notes


def _of_folder(folder: Path) -> tuple[list[tuple[Path, str]], str]:
    """Return a folder's files of functions with their names, and in words what else it holds.

    Raises:
        DataError: It holds none.
    """
    names = {path.relative_to(folder).as_posix(): path for path in walk(folder)}
    if is_code_tree(list(names)):
        return [(folder, folder.name)], ""
    chosen = [name for name in names if is_of_functions(name.rpartition("/")[2])]
    kept = set(chosen)
    others = Counter(Path(name).suffix or "no suffix" for name in names if name not in kept)
    listed = ", ".join(f"{count} of {suffix}" for suffix, count in sorted(others.items())[:10])
    left = f"{others.total()} other files ({listed})" if others else ""
    if not chosen:
        found = InputError(
            where=str(folder),
            found=left.replace("other files", "files, none of functions") or "no files",
            expected=f"files named {READABLE}",
            fix="unpack archives; convert other files to JSONL, CSV or Parquet",
        )
        raise DataError(f"{folder}: the folder holds no file of functions", [found])
    return [(names[name], name) for name in chosen], left


def _told_apart(found: Sequence[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    """Yield the files with names that differ: those of one name in several folders get their folder's before it."""
    times = Counter(name for _, name in found)
    seen: Counter[str] = Counter()
    for path, name in found:
        longer = name if times[name] == 1 else f"{path.parent.name}/{name}"
        seen[longer] += 1
        yield path, longer if seen[longer] == 1 else f"{seen[longer]}-{longer}"
