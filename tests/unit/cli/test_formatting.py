import pytest

from cellgate.cli.formatting import duration, score, span
from cellgate.contract.text import number


@pytest.mark.parametrize(
    ("seconds", "read"),
    [(None, ""), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (185, "3:05"), (7385, "2:03:05"), (-3, "0 s")],
)
def test_a_duration_reads_as_a_clock(seconds: float | None, read: str) -> None:
    assert duration(seconds) == read


def test_what_was_not_measured_is_empty() -> None:
    assert score(None) == ""
    assert number(None) == ""


def test_counts_have_no_decimals_but_a_score_of_one_has() -> None:
    assert number(100.0) == "100"
    assert number(1.0) == "1.0000"
    assert number(0.85) == "0.8500"


def test_an_interval_of_differences_shows_its_signs() -> None:
    assert span(-0.01, 0.02, sign="+") == "-0.010 to +0.020"
