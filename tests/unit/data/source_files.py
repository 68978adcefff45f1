"""Small files of functions as people have them, and what is read from them."""

import csv
import json
from pathlib import Path
from typing import Any

from cellgate.contract.configs import PrepareConfig
from trainers.data.read.row import Row
from trainers.data.read.rows import Reading, read_rows

F, G, H = "int f() { return 1; }", "int g() { return 2; }", "int h() { return 3; }"
MAX_CHARS = 1_000


def read(*paths: Path, **config: Any) -> Reading:
    """Read files or folders."""
    return read_rows(paths, PrepareConfig(**{"max_function_chars": MAX_CHARS, **config}))


def function(number: int, *, vulnerable: bool = True) -> str:
    """Return a function; no two numbers give copies of each other."""
    check = "" if vulnerable else "if (n > 64) return -1; "
    return f"int read_{number}(char *b, int n) {{ int total = {number}; {check}b[n] = 0; return total; }}"


def write_lines(path: Path, *rows: dict[str, Any]) -> Path:
    """Write JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def write_csv(path: Path, *rows: dict[str, Any], delimiter: str = ",") -> Path:
    """Write a table with a header."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def facts(row: Row) -> tuple[str, int, str | None, str | None, str | None]:
    """Return what most sets know of a function."""
    return row.func, row.label, row.project, row.commit, row.cwe


def reasons(reading: Reading) -> dict[str, list[str]]:
    """Return the places of the rows that were left out, by reason."""
    return {one.reason.value: [place.partition(":")[0] for place in one.places] for one in reading.left_out.summaries()}
