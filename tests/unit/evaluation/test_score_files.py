"""A file of scores is read whole or refused with every mistake in it."""

from pathlib import Path

import pytest

from cellgate.contract.errors import DataError
from trainers.evaluation.score_files import read_scores


def written(folder: Path, text: str, name: str = "scores.jsonl") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scores.jsonl", '{"id": "b", "probability": 1}\n\n{"id": "a", "probability": 0.25, "more": []}\n'),
        ("scores.csv", "probability,id\r\n1,b\r\n0.25,a\r\n"),
        ("scores.csv", "\ufeffid,probability\r\nb,1\r\na,0.25\r\n"),
        ("scores.jsonl", '\ufeff{"id": "b", "probability": 1}\n{"id": "a", "probability": 0.25}\n'),
    ],
)
def test_scores_are_returned_in_the_order_of_the_functions(tmp_path: Path, name: str, text: str) -> None:
    assert read_scores(written(tmp_path, text, name), ["a", "b"]).tolist() == [0.25, 1.0]


def test_scores_of_other_functions_are_left_alone(tmp_path: Path) -> None:
    text = '{"id": "other", "probability": 0.1}\n{"id": "a", "probability": 0.5}\n'

    assert read_scores(written(tmp_path, text), ["a"]).tolist() == [0.5]


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        "[" * 20_000,
        "[1, 2]",
        '{"probability": 0.5}',
        '{"id": "a"}',
        '{"id": "a", "probability": true}',
        '{"id": "a", "probability": "high"}',
        '{"id": "a", "probability": -0.1}',
        '{"id": "a", "probability": 1.5}',
        '{"id": "a", "probability": NaN}',
        '{"id": "a", "probability": null}',
    ],
    ids=str,
)
def test_a_line_that_is_no_score_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError) as refusal:
        read_scores(written(tmp_path, f'{{"id": "a", "probability": 0.5}}\n{line}\n'), ["a"])

    assert [problem.where for problem in refusal.value.problems] == ["line 2"]


def test_functions_without_a_score_and_with_two_are_named_at_once(tmp_path: Path) -> None:
    text = '{"id": "a", "probability": 0.5}\n' * 2

    with pytest.raises(DataError) as refusal:
        read_scores(written(tmp_path, text), ["a", "b", "c"])

    twice, missing = refusal.value.problems
    assert twice.found == "a second score of a"
    assert missing.found == "no score of b, c"


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_bytes(b"\xff\xfe\x00"), Path.absolute])
def test_what_is_no_text_file_is_refused(tmp_path: Path, make: object) -> None:
    path = tmp_path / "scores.jsonl"
    make(path)  # type: ignore[operator]

    with pytest.raises(DataError, match="cannot be read"):
        read_scores(path, ["a"])


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("id;probability\na;0.5\nb;0.5\n", "the columns id;probability", "id and probability, separated by commas"),
        ("id,score\na,0.5\nb,0.5\n", "the columns id, score", "probability, separated by commas"),
        ("", "no line", "id and probability, separated by commas"),
    ],
)
def test_columns_that_are_missing_are_told_once(tmp_path: Path, text: str, found: str, expected: str) -> None:
    with pytest.raises(DataError) as refused:
        read_scores(written(tmp_path, text, "scores.csv"), ["a", "b"])

    (problem,) = refused.value.problems
    assert problem.where.endswith("scores.csv, line 1")
    assert (problem.found, problem.expected) == (found, expected)
