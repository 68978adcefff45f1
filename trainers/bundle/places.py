"""Where a file is: as a person reads it, as a URI, and as bytes to hash; a name may be any bytes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


def shown_path(path: Path) -> str:
    r"""Return a path as text that can be written: a byte that is no UTF-8 is shown as `\xff`."""
    return os.fsencode(path.as_posix()).decode(errors="backslashreplace")


@dataclass(frozen=True, kw_only=True)
class Root:
    """The folder that places are relative to.

    Args:
        folder: Absolute, without links.
    """

    folder: Path

    @classmethod
    def of(cls, folder: Path | None, paths: Sequence[Path] = ()) -> "Root":
        """Return the given folder; else the checkout around the working folder, if it holds all paths; else theirs.

        Args:
            paths: What is scanned. Where they share no checkout, the working folder's counts, or that folder itself.
        """
        if folder is not None:
            return cls(folder=folder.resolve())
        here = Path.cwd().resolve()
        around = _checkout(here)
        places = [path.resolve() for path in paths]
        if around is None or not all(place.is_relative_to(around) for place in places):
            shared = {_checkout(place) for place in places}
            around = shared.pop() or around if len(shared) == 1 else around
        return cls(folder=around or here)

    def place(self, path: Path) -> Path:
        """Return where a file is, links followed: relative to the root where it is below it, else absolute."""
        whole = path.resolve()
        return whole.relative_to(self.folder) if whole.is_relative_to(self.folder) else whole

    def uri(self, path: Path) -> str:
        """Return a file's URI, relative where the file is below the root; bytes that are no text are escaped."""
        place = self.place(path)
        return place.as_uri() if place.is_absolute() else quote(os.fsencode(place.as_posix()))


def _checkout(place: Path) -> Path | None:
    """Return the nearest folder with a `.git` in it, from a place upwards."""
    return next((one for one in (place, *place.parents) if (one / ".git").exists()), None)
