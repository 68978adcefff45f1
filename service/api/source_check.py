"""Whether files and folders of labelled functions and imported graphs may be read, before a run is created for them."""

import itertools
import stat
from collections.abc import Sequence
from pathlib import Path

from cellgate.contract.configs import FieldNames
from cellgate.contract.source_files import READABLE, has_form
from service.api.first_look import first_look
from service.domain.errors import InvalidSpec, Mistake
from service.local_paths import below
from service.store.dataset_sources import BETWEEN_SOURCES
from trainers.data.read.code_trees import is_code_tree

POINTER = "/source"
SCORES_POINTER = "/scores"
GRAPHS_POINTER = "/graphs"
GRAPH_LINE_SUFFIXES = (".jsonl", ".jsonl.gz")
GRAPH_FILE_SUFFIX = ".pt"
LOOKED_AT_PATHS = 10_000
# Of a longer list the run that reads all of it looks at the rest: a request is to be answered soon.
LOOKED_AT_SOURCES = 100


def check_sources(
    source: str | Sequence[str], fields: FieldNames, roots: Sequence[Path], *, look: bool = True
) -> list[Path]:
    """Return files and folders, resolved, that lie below a data root, each once; first lines look like functions.

    Args:
        source: Paths as the request has them; a relative one starts at the working directory of the server.
        fields: Names of the columns that hold source text, label and ids.
        roots: The folders that the server may read data from.
        look: Whether to look at first lines; a run that shows all of them need not be spared.

    Raises:
        InvalidSpec: One does not; every mistake in the first lines of the first files is listed.
    """
    if isinstance(source, str):
        return [_check(source, fields, roots, POINTER, look=look)]
    found: list[Path] = []
    mistakes: list[Mistake] = []
    for place, one in enumerate(source):
        try:
            is_early = place < LOOKED_AT_SOURCES
            found.append(_check(one, fields, roots, f"{POINTER}/{place}", look=look, is_early=is_early))
        except InvalidSpec as error:
            mistakes += error.mistakes
    if mistakes:
        raise InvalidSpec(f"{len(mistakes)} mistakes in the sources; nothing was created", mistakes=mistakes)
    return list(dict.fromkeys(found))


def _check(
    source: str, fields: FieldNames, roots: Sequence[Path], pointer: str, *, look: bool, is_early: bool = True
) -> Path:
    path, mode = _resolve(source, roots, pointer)
    if BETWEEN_SOURCES in str(path):
        raise _refused(f"{source!r} has a line break in its name; rename it", pointer)
    if stat.S_ISDIR(mode):
        return _folder(path, pointer) if is_early else path
    if not stat.S_ISREG(mode):
        raise _refused(f"{source} is no regular file and no folder", pointer)
    if not has_form(path.name):
        detail = f"{source} ends with {path.suffix or 'nothing'!r}, expected {READABLE}"
        raise _refused(detail, pointer)
    found = first_look(path, fields) if look and is_early else []
    mistakes = [Mistake(pointer=pointer, detail=f"{path.name}, {text}") for text in found]
    if mistakes:
        raise InvalidSpec(f"{path.name} does not hold labelled functions; nothing was created", mistakes=mistakes)
    return path


def _folder(path: Path, pointer: str) -> Path:
    """Return a folder in which a file is seen soon: of functions, or of source code whose names hold the labels."""
    looked_at = itertools.islice(path.rglob("*"), LOOKED_AT_PATHS)
    names = [found.relative_to(path).as_posix() for found in looked_at]
    # Of a larger folder only the run sees all.
    if len(names) < LOOKED_AT_PATHS and not any(map(has_form, names)) and not is_code_tree(names):
        raise _refused(f"the folder {path.name} holds no file that ends with {READABLE}", pointer)
    return path


def check_graphs(graphs: str, roots: Sequence[Path]) -> Path:
    """Return the folder or file of imported graphs, resolved, if it lies below a data root.

    Raises:
        InvalidSpec: It does not, or can be no graphs.
    """
    path, mode = _resolve(graphs, roots, GRAPHS_POINTER)
    if stat.S_ISDIR(mode):
        if not any(path.glob(f"*{GRAPH_FILE_SUFFIX}")):
            raise _refused(f"the folder {graphs} holds no {GRAPH_FILE_SUFFIX} file", GRAPHS_POINTER)
    elif not stat.S_ISREG(mode) or not path.name.endswith(GRAPH_LINE_SUFFIXES):
        detail = (
            f"{graphs} is neither a folder of {GRAPH_FILE_SUFFIX} files nor a {' or '.join(GRAPH_LINE_SUFFIXES)} file"
        )
        raise _refused(detail, GRAPHS_POINTER)
    return path


def _resolve(source: str, roots: Sequence[Path], pointer: str) -> tuple[Path, int]:
    path = below(source, roots)
    if path is None:
        # One answer for what is not there and for what lies elsewhere.
        shown = ", ".join(str(root) for root in roots)
        detail = (
            f"there is no {source} below a data root ({shown}); send it (`cellgate dataset add --upload`, or PUT "
            "/v1/uploads), move it there, or add its folder to CELLGATE_DATA_ROOTS"
        )
        raise _refused(detail, pointer)
    try:
        return path, path.stat().st_mode
    except OSError as error:
        raise _refused(f"{source} cannot be read: {error}", pointer) from None


def _refused(detail: str, pointer: str) -> InvalidSpec:
    return InvalidSpec(detail, mistakes=[Mistake(pointer=pointer, detail=detail)])


def check_scores(scores: str, roots: Sequence[Path]) -> Path:
    """Return a file of scores, resolved, if it lies below a data root; a worker reads it.

    Raises:
        InvalidSpec: It does not, or is no file.
    """
    path, mode = _resolve(scores, roots, SCORES_POINTER)
    if not stat.S_ISREG(mode):
        raise _refused(f"{scores} is no regular file", SCORES_POINTER)
    return path
