"""A small file of labelled functions, and the data set that is prepared from it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.artifacts import DATASET_FOLDER
from cellgate.contract.events import EventWriter
from cellgate.contract.specs import PrepareSpec
from trainers.data.prepare import prepare

Record = dict[str, Any]


def pair_of_functions(number: int) -> list[Record]:
    """A vulnerable function and its patched version; no two pairs are alike after renaming."""
    head = f"int read_{number}(char *buffer, int size) {{ int total = {number};"
    check, write = "if (size > 64) return -1;", "buffer[size] = 0;"
    shared = {"project": f"project-{number % 3}", "commit": f"c{number}", "pair": f"p{number}", "cwe": "CWE-787"}
    return [
        {"id": f"{number}-bad", "func": f"{head} {write} {check} return total; }}", "target": 1, **shared},
        {"id": f"{number}-good", "func": f"{head} {check} {write} return total; }}", "target": 0, **shared},
    ]


@pytest.fixture(scope="session")
def records() -> list[Record]:
    """120 functions in 60 pairs."""
    return [record for number in range(60) for record in pair_of_functions(number)]


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Writes records (or lines of bytes) to a JSONL file and returns its path."""

    def write(*rows: Record | bytes) -> Path:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path = tmp_path / "functions.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return write


@pytest.fixture(scope="session")
def dataset_folder(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set prepared from `records`; tests must not change it."""
    folder = tmp_path_factory.mktemp("prepared")
    source = folder / "functions.jsonl"
    source.write_text("\n".join(json.dumps(record) for record in records))
    with EventWriter(folder / "events.jsonl") as events:
        prepare(PrepareSpec(source=source), folder, events)
    return folder / DATASET_FOLDER
