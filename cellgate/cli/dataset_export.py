"""`cellgate dataset export`: functions of a data set as files, for programs that read nothing else."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cellgate.cli.connection import client_of
from cellgate.cli.consoles import complain, terminal
from cellgate.cli.dataset_names import named_dataset
from cellgate.client._sync.client import Client
from cellgate.contract.api.functions import FunctionSummary
from cellgate.contract.configs import Split
from cellgate.contract.exit_codes import UsageError
from cellgate.contract.files import write_bytes
from cellgate.contract.function_files import file_stem

SUFFIX = re.compile(r"\.[A-Za-z0-9+]{1,8}")
# Where it is known whose file is whose; written last, so that an export without it is not whole.
TABLE = "functions.csv"
# No other split is judged by.
JUDGED = [Split.GATE, Split.TEST]


def export(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="ID|NAME", help="Id (ds_…), name (the newest), or name@version.")],
    folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.")],
    split: Annotated[list[Split], typer.Option(help="Split to export; may be repeated.")] = JUDGED,
    suffix: Annotated[str, typer.Option(help="Of every file: .c or .cpp, as the analyser wants it.")] = ".c",
) -> None:
    """Write each function of gate and test as a file of its own, and whose file is whose to functions.csv.

    A static analyser that reads these files is judged by `cellgate evaluate --scores LOG.sarif`.
    """
    if not SUFFIX.fullmatch(suffix):
        raise UsageError(f"--suffix: found {suffix!r}, expected a dot and up to 8 letters or digits, such as .c")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: there is something already: name a new folder, or an empty one")
    with client_of(context) as client, terminal(stderr=True).status("exporting…"):
        count, cut = export_functions(client, named_dataset(client, dataset), folder, splits=split, suffix=suffix)
    terminal().print(f"{count:,} functions in {folder}; {TABLE} says whose file is whose.", markup=False)
    if cut:
        complain(f"only the first MiB of each of these was to be had: {', '.join(cut)}")


def export_functions(
    client: Client, dataset_id: str, folder: Path, *, splits: Sequence[Split], suffix: str
) -> tuple[int, list[str]]:
    """Write functions as files of a folder, then the table that says whose they are.

    Returns:
        How many there are, and the ids of those whose source the API cuts.

    Raises:
        Refused: There is no such data set, or it is not ready.
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = list(_written(client, dataset_id, folder, splits, suffix))
    chosen = [one for one, _ in written]
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["file", "id", "split", "name"])
    writer.writerows([f"{file_stem(one.id)}{suffix}", one.id, one.split.value, one.name or ""] for one in chosen)
    write_bytes(folder / TABLE, table.getvalue().encode("utf-8", "surrogatepass"))
    return len(chosen), [one.id for one, is_whole in written if not is_whole]


def _written(
    client: Client, dataset_id: str, folder: Path, splits: Sequence[Split], suffix: str
) -> Iterator[tuple[FunctionSummary, bool]]:
    """Write the functions of the splits and yield each, with whether its source is whole."""
    for split in dict.fromkeys(splits):
        for one in client.functions(dataset_id, split=split.value):
            found = client.function(dataset_id, one.row)
            content = found.source.encode("utf-8", "surrogatepass")
            (folder / f"{file_stem(one.id)}{suffix}").write_bytes(content + b"\n")
            yield one, len(content) >= found.source_bytes
