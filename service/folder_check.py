"""Whether the service's folders can be used: tried by writing, since permissions do not tell of a read-only mount."""

import getpass
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.exit_codes import UnusableError
from cellgate.contract.storage import NO_ROOM, RESTORING
from service.settings import Settings

# Below the artifact root: what workers and trainers make there.
SUBFOLDERS = ("runs", "lr_cache")


@dataclass(frozen=True, kw_only=True)
class FolderProblem:
    """A folder that cannot be used.

    Args:
        folder: Which.
        detail: One line: what was found and what to do.
        fatal: Whether no process can work without it.
    """

    folder: Path
    detail: str
    fatal: bool


def check_folders(settings: Settings) -> None:
    """Return if every folder that the service writes to can be written to; make those that are missing.

    Raises:
        UnusableError: One cannot; one line for each.
    """
    problems = [problem.detail for problem in folder_problems(settings) if problem.fatal]
    if problems:
        raise UnusableError("\n".join(problems))


def folder_problems(settings: Settings, *, make: bool = True) -> list[FolderProblem]:
    """Return every folder that cannot be used.

    Args:
        settings: Name the folders.
        make: Make those that are missing; else only the folder is tried in which they would be made.
    """
    data = settings.data_dir.resolve()
    written = [data, settings.artifacts, data / "data"]
    written += [folder for name in SUBFOLDERS if (folder := settings.artifacts / name).exists()]
    found = [_not_writable(folder, make=make) for folder in written]
    found += [_not_readable(root.resolve()) for root in settings.data_roots]
    found.append(_half_restored(data))
    return [problem for problem in found if problem is not None]


def _half_restored(data: Path) -> FolderProblem | None:
    work = data / RESTORING
    if not work.exists():
        return None
    detail = f"{work}: a backup is being restored here, or its restore died; wait, or run `cellgate restore` again"
    return FolderProblem(folder=work, detail=detail, fatal=True)


def _not_writable(folder: Path, *, make: bool) -> FolderProblem | None:
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there, prefix=".cellgate-check-"):
            pass
    except OSError as error:
        if error.errno in NO_ROOM:
            # A full disk is told where the service runs: it can still be read.
            return None
        advice = f"mount it so that it can be written to, give it to the user {_user()}, or set CELLGATE_DATA_DIR"
        detail = f"{folder}: cannot be written to ({error.strerror}); {_owner(folder)}{advice}"
        return FolderProblem(folder=folder, detail=detail, fatal=True)
    return None


def _not_readable(root: Path) -> FolderProblem | None:
    try:
        with os.scandir(root):
            return None
    except OSError as error:
        detail = f"{root}: the data root cannot be read ({error.strerror}); correct CELLGATE_DATA_ROOTS, or its rights"
        return FolderProblem(folder=root, detail=detail, fatal=False)


def _owner(folder: Path) -> str:
    with suppress(OSError, KeyError):
        if folder.stat().st_uid != os.geteuid():
            return f"it belongs to {folder.owner()}; "
    return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return str(os.geteuid())
