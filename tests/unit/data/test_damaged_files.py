"""Whatever happens to a file, reading it ends with functions or with refusals, never with another error."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellgate.contract.configs import PrepareConfig
from tests.unit.data.source_files import function, write_csv
from trainers.data.inspect import inspect_source

ROWS = [
    {
        "func": function(n, vulnerable=n % 2 == 1),
        "target": n % 2,
        "commit": f"c{n}",
        "date": "2020-01-02",
        "cwe": "CWE-1",
    }
    for n in range(8)
]
INSERTED = (
    b'"',
    b"\n",
    b"\r",
    b",",
    b"{",
    b"}",
    b"[",
    b"\0",
    b"\\",
    b"\xef\xbb\xbf",
    b"\xff",
    b"NaN",
    b"1e999",
    b"\\ud800",
)


def _lines(path: Path) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))


def _packed(path: Path) -> None:
    path.write_bytes(gzip.compress("".join(f"{json.dumps(row)}\n" for row in ROWS).encode()))


def _array(path: Path) -> None:
    path.write_text(json.dumps(ROWS, indent=1))


def _by_column(path: Path) -> None:
    path.write_text(json.dumps({name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]}, indent=1))


def _table(path: Path) -> None:
    write_csv(path, *ROWS)


def _parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


FORMS = {
    "a.jsonl": _lines,
    "b.jsonl.gz": _packed,
    "c.json": _array,
    "d.json": _by_column,
    "e.csv": _table,
    "f.parquet": _parquet,
}


def _damage(content: bytes, draw: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(draw.choice((1, 3, 20))):
        at = draw.randrange(len(damaged) + 1)
        match draw.randrange(4):
            case 0:
                damaged[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                damaged[at:at] = draw.choice(INSERTED)
            case 2:
                del damaged[at : at + draw.randrange(40)]
            case _:
                damaged[at:at] = damaged[at : at + draw.randrange(40)]
    return bytes(damaged)


def _check(tmp_path: Path, name: str, write: Callable[[Path], None], times: int) -> None:
    path = tmp_path / name
    write(path)
    whole, draw = path.read_bytes(), random.Random(name)
    for _ in range(times):
        path.write_bytes(_damage(whole, draw))
        found = inspect_source(PrepareConfig(), [path])
        assert found.functions or found.refusals


@pytest.mark.parametrize(("name", "write"), FORMS.items())
def test_a_damaged_file_is_read_in_part_or_refused(tmp_path: Path, name: str, write: Callable[[Path], None]):
    _check(tmp_path, name, write, 25)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "write"), FORMS.items())
def test_a_file_damaged_in_three_hundred_ways_is_read_in_part_or_refused(
    tmp_path: Path, name: str, write: Callable[[Path], None]
):
    _check(tmp_path, name, write, 300)
