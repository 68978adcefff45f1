"""Files of functions that are made to cost time or memory: refused with their place, or read as their bytes cost."""

import gzip
import json
from pathlib import Path

import pytest

from cellgate.contract.configs import FieldNames
from cellgate.contract.errors import DataError
from trainers.data.read import gzip_file, records
from trainers.data.read.error_collector import shown
from trainers.data.read.rows import Reading, read_rows

GOOD = json.dumps({"func": "int f(void) { return 1; }", "target": 1})


def read(path: Path) -> Reading:
    return read_rows(path, FieldNames(), max_function_chars=1_000)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as refused:
        read(path)
    return str(refused.value)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, of kilobytes."""
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 4_096)
    monkeypatch.setattr(records, "MAX_VALUE_BYTES", 16_384)
    monkeypatch.setattr(records, "MAX_CSV_FIELD_CHARS", 4_096)
    monkeypatch.setattr(gzip_file, "ALWAYS_BYTES", 4_096)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a long line.jsonl", f"{GOOD}\n{{{' ' * 5_000}}}\n"),
        ("a long first line of many.jsonl", f"{{{' ' * 5_000}}}\n{GOOD}\n"),
        ("a long array.json", "[" + " " * 20_000 + "]"),
        ("an array of many lines.json", "[\n" + (" " * 100 + "1,\n") * 200 + "1]"),
        ("a long header.csv", "func,target," + "x" * 5_000 + "\nf,1\n"),
        ("an open quote.csv", 'func,target\n"' + "x\n" * 5_000),
    ],
)
def test_what_is_too_long_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (path := tmp_path / name).write_text(content)

    assert "more than" in refusal(path) or "limit" in refusal(path)


@pytest.mark.usefixtures("small_limits")
def test_a_file_that_is_one_value_may_be_longer_than_a_line(tmp_path: Path) -> None:
    (path := tmp_path / "one.json").write_text("[" + ",".join([GOOD.replace("f(", f"f{n}(") for n in range(100)]) + "]")

    assert len(read(path).rows) == 100


@pytest.mark.usefixtures("small_limits")
def test_a_packed_file_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "bomb.jsonl.gz").write_bytes(
        gzip.compress(f"{GOOD}\n".encode() + b" " * 3_000 + b"\n" * 3_000_000)
    )

    assert "times its size" in refusal(path)


@pytest.mark.parametrize(
    "damage",
    [b"\x1f\x8b", gzip.compress(GOOD.encode(), mtime=0)[:-9], b"\x1f\x8b\x08\x00" + b"\xff" * 60],
    ids=["two bytes", "cut off", "no deflate"],
)
def test_a_packed_file_that_is_damaged_is_refused(tmp_path: Path, damage: bytes) -> None:
    (path := tmp_path / "damaged.jsonl.gz").write_bytes(damage)

    assert "cannot be read" in refusal(path)


def test_short_rows_below_many_columns_cost_what_they_hold(tmp_path: Path) -> None:
    # Filled up, each row would have 20,000 values.
    names = ",".join(f"c{n}" for n in range(20_000))
    rows = "".join(f"int f{n}(void),1\n" for n in range(2_000))
    (path := tmp_path / "wide.csv").write_text(f"func,target,{names}\n{rows}")

    found = list(records.read_records(path, records.ErrorCollector()))

    assert len(found) == 2_000
    assert sum(len(record.content or {}) for record in found) < 20_002 + 2 * 2_000


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"func": ' + "[" * 100_000, '{"func": "f\\u0000", "target": [[[[[[[[[[1]]]]]]]]]]}', "\x00" * 100],
)
def test_deep_and_odd_json_is_refused_as_such(tmp_path: Path, content: str) -> None:
    (path := tmp_path / "odd.jsonl").write_text(content + "\n")

    assert "odd.jsonl" in refusal(path)


def test_of_a_large_value_only_the_beginning_is_shown() -> None:
    shared: list[object] = [0]
    for _ in range(60):
        shared = [shared, shared]

    for value in (shared, "x" * 10_000_000, 10**10_000, {"a" * 1_000: shared}, dict.fromkeys(range(1_000_000))):
        assert len(shown(value)) <= 60
