from pathlib import Path

import pytest

from worker import tail
from worker.tail import CUT, OutputTail


def test_output_beyond_what_the_database_keeps_is_cut_once_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_CHARACTERS", 10)
    path = tmp_path / "output.log"
    output = OutputTail(path)

    path.write_text("12345678")
    first = output.read()
    path.write_text("123456789abcdef")
    second = output.read()
    path.write_text("123456789abcdef and more")

    assert first == [(1, "12345678")]
    assert second == [(2, f"9a{CUT}")]
    assert output.read() == []
