"""Folders of source files of which each holds one function, and whose names state its label: `vulnerable/a.c`."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from cellgate.contract.inspection import Reason
from cellgate.contract.source_files import has_form
from trainers.data.read.raw_rows import Defect, RawRow, RawRows
from trainers.data.read.source_files import read_source
from trainers.data.read.stated_names import labels_in, split_in
from trainers.source_functions.division import divide
from trainers.source_functions.language import SUFFIXES

LABELLED_SOURCES = "Source files with labels in their names, one function each"


def are_labelled_sources(names: Sequence[str]) -> bool:
    """Return whether a folder holds source files of both labels, and no file of functions."""
    if any(has_form(name) for name in names):
        return False
    return {0, 1} <= {label for name in names if _is_source(name) for label in labels_in(name)}


def labelled_source_rows(folder: Path, names: Sequence[str]) -> RawRows:
    """Yield the function of each source file; a file of several is left out, since one of them is meant."""
    for number, name in enumerate(filter(_is_source, names), start=1):
        yield RawRow(number=number, place=name, content=_content(folder, name), split=split_in(name))


def _is_source(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _content(folder: Path, name: str) -> dict[str, object] | Defect:
    labels = list(labels_in(name))
    if len(set(labels)) != 1:
        found = "two labels" if labels else "no label"
        return Defect(reason=Reason.NO_LABEL, found=f"{found} in the names of the file and its folders")
    text = read_source(folder / name)
    if isinstance(text, Defect):
        return text
    functions = divide(text, suffix=PurePosixPath(name).suffix).functions
    if len(functions) != 1:
        return Defect(reason=Reason.NO_FUNCTION, found=f"{len(functions)} functions in a file with one label")
    return {"id": name, "func": functions[0].source, "target": labels[0], "file_name": name}
