"""Files and folders that a data set is made of, as the command line names them: read by the server, or sent to it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cellgate.client._sync.client import Client
from cellgate.contract.api.datasets import MOST_SOURCES
from cellgate.contract.exit_codes import UsageError
from cellgate.contract.source_files import READABLE, has_form, is_of_functions, safe_name

Named = tuple[Path, tuple[str, ...]]


def default_name(files: Sequence[Path]) -> str:
    """Return a data set's name: that of its first file or folder, without suffixes."""
    name = files[0].resolve().name
    return name.partition(".")[0] or name.strip(".") or "functions"


def server_sources(files: Sequence[Path]) -> str | list[str]:
    """Return the paths for `source`: the server reads them where they are."""
    paths = list(dict.fromkeys(str(file.resolve()) for file in files))
    return paths[0] if len(paths) == 1 else paths


def send(client: Client, files: Sequence[Path]) -> str | list[str]:
    """Send files, and those of folders, under safe names; return their paths on the server, for `source`.

    Raises:
        UsageError: A path is nothing that could be sent; all such are listed, and nothing is sent.
    """
    named = _named(files)
    sources = dict.fromkeys(client.upload(path, safe_name(parts)).source for path, parts in named)
    return next(iter(sources)) if len(sources) == 1 else list(sources)


def _named(files: Sequence[Path]) -> list[Named]:
    """Return each file that is to be sent, with the folders and the name that its name on the server is made of."""
    found: list[Named] = []
    mistakes: list[str] = []
    for file in files:
        if file.is_dir():
            inside = list(_inside(file))
            found += inside
            if not inside:
                mistakes.append(f"{file}: the folder holds no file that ends with {READABLE}")
        elif not file.is_file():
            mistakes.append(f"{file}: there is no file that could be sent")
        elif not has_form(file.name):
            mistakes.append(f"{file}: ends with {file.suffix or 'nothing'!r}, expected {READABLE}")
        else:
            found.append((file, (file.name,)))
    if len(found) > MOST_SOURCES:
        mistakes.append(f"found {len(found)} files; a data set is made of {MOST_SOURCES} at most: join some of them")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return found


def _inside(folder: Path) -> Iterator[Named]:
    """Yield a folder's files of functions in order, hidden ones and those that libraries add left out."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if is_of_functions(path.name) and path.is_file() and not any(part.startswith(".") for part in parts):
            yield path, parts
