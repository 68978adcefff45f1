"""Specs from a file: every mistake at once, each with its place."""

import json
from pathlib import Path

import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.errors import SpecError
from cellgate.contract.specs import TransformerSpec
from trainers.spec_reading import read_spec


def _write(folder: Path, content: object) -> Path:
    path = folder / "spec.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_good_spec_is_read_and_needs_no_cell(tmp_path: Path) -> None:
    spec = read_spec(_write(tmp_path, {"dataset": "d", "seed": 3}), Cell.TRANSFORMER)

    assert isinstance(spec, TransformerSpec)
    assert (spec.dataset, spec.seed) == (Path("d"), 3)


def test_all_mistakes_are_reported_at_once_with_their_places(tmp_path: Path) -> None:
    content = {
        "cell": 51,
        "seed": -1,
        "training": {"epochs": 0, "learning_rate": {"value": "fast"}, "epoch": 3},
        "model": {"size": "huge"},
    }

    with pytest.raises(SpecError) as caught:
        read_spec(_write(tmp_path, content), Cell.TRANSFORMER)

    by_place = {problem.where: problem for problem in caught.value.problems}
    assert set(by_place) == {
        "/dataset",
        "/seed",
        "/training/epochs",
        "/training/epoch",
        "/training/learning_rate/value",
        "/model/size",
    }
    assert by_place["/dataset"].found == "nothing"
    assert by_place["/training/epochs"].found == "0"
    assert "greater than or equal to 1" in by_place["/training/epochs"].expected
    assert by_place["/training/learning_rate/value"].found == '"fast"'
    assert all(problem.fix for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("content", "found"),
    [("{", "Expecting"), ("[1]", "list"), ('{"cell": 52}', "52"), ('{"cell": "prepare"}', '"prepare"')],
)
def test_a_file_that_is_no_spec_of_this_cell_is_refused(tmp_path: Path, content: str, found: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_spec(_write(tmp_path, content), Cell.TRANSFORMER)

    assert found in caught.value.problems[0].found


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.json"):
        read_spec(tmp_path / "nowhere.json", Cell.GNN)


def test_a_range_that_is_none_is_a_mistake_with_a_place(tmp_path: Path) -> None:
    content = {"dataset": "d", "training": {"learning_rate": {"finder_min": 0.1, "finder_max": 0.01}}}

    with pytest.raises(SpecError) as caught:
        read_spec(_write(tmp_path, content), Cell.TRANSFORMER)

    [problem] = caught.value.problems
    assert (problem.where, problem.found) == ("/training/learning_rate/finder_min", "0.1")
    assert "finder_min (0.1) must be below finder_max (0.01)" in problem.expected
