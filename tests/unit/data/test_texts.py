"""Functions' texts that lie on disk are those that were read."""

import io
from pathlib import Path

import pyarrow as pa

from cellgate.contract.configs import Split
from trainers.data.read.row import Row
from trainers.data.read.texts import TextFile
from trainers.data.writing import write_functions

TEXTS = ["int f() {}", "int größe(void) { return 'é'; }", "", 'char *s = "\U0001f600";']


def test_texts_come_back_whole_in_any_order_while_others_are_added():
    file = TextFile(io.BytesIO())
    first = [file.keep(text) for text in TEXTS[:2]]
    read_between = str(first[0])
    kept = [*first, *(file.keep(text) for text in TEXTS[2:])]

    assert read_between == TEXTS[0]
    assert [(str(text), len(text)) for text in reversed(kept)] == [(text, len(text)) for text in reversed(TEXTS)]


def test_functions_are_written_with_their_own_texts_also_after_others_were_left_out(tmp_path: Path):
    file = TextFile(io.BytesIO())
    kept = [file.keep(text) for text in TEXTS]
    rows = [
        Row(
            line=place,
            where="",
            id=f"f{place}",
            text=kept[place],
            label=0,
            split=None,
            project=None,
            commit=None,
            cwe=None,
            pair=None,
        )
        for place in (3, 0, 2)
    ]

    write_functions(
        tmp_path / "functions.arrow", rows, splits=[Split.TRAIN] * 3, groups=["g"] * 3, qualities=["parsed"] * 3
    )

    with pa.OSFile(str(tmp_path / "functions.arrow"), "rb") as source:
        written = pa.ipc.open_file(source).read_all()
    assert written["func"].to_pylist() == [TEXTS[3], TEXTS[0], TEXTS[2]]
    assert written["id"].to_pylist() == ["f3", "f0", "f2"]
    assert [path.name for path in tmp_path.iterdir()] == ["functions.arrow"]
