"""Data sets for evaluation only, and what a new version of a data set says of the one before."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.artifacts import DATASET_FOLDER, DATASET_MANIFEST_NAME
from cellgate.contract.configs import PrepareConfig, Split
from cellgate.contract.errors import DataError
from cellgate.contract.events import EventWriter
from cellgate.contract.results import DatasetSummary
from cellgate.contract.specs import GnnSpec, PrepareSpec, PreviousVersion
from tests.unit.data.conftest import Record, pair_of_functions
from trainers.data.dataset import Dataset
from trainers.data.prepare import prepare
from trainers.engine.train_cell import open_inputs

Prepare = Callable[..., DatasetSummary]


@pytest.fixture
def prepare_rows(write_rows: Callable[..., Path], tmp_path: Path) -> Prepare:
    """Prepares records in a folder of their own and returns the summary."""

    def make(rows: list[Record], name: str = "new", **settings: Any) -> DatasetSummary:
        folder = tmp_path / name
        folder.mkdir()
        with EventWriter(folder / "events.jsonl") as events:
            return prepare(PrepareSpec(source=write_rows(*rows), **settings), folder, events).summary

    return make


@pytest.mark.parametrize(("evaluation", "filled"), [("test", {"test"}), ("gate+test", {"gate", "test"})])
def test_a_set_for_evaluation_only_has_no_function_to_train_on(
    records: list[Record], prepare_rows: Prepare, tmp_path: Path, evaluation: str, filled: set[str]
) -> None:
    summary = prepare_rows(records, evaluation=evaluation)

    assert summary.evaluation == evaluation
    assert {name for name, size in summary.splits.items() if size.rows} == filled
    assert sum(size.rows for size in summary.splits.values()) == len(records)
    assert (summary.bag_of_tokens_f1, summary.probes) == (None, [])
    dataset = Dataset.open(tmp_path / "new" / DATASET_FOLDER, verify=True)
    groups = [set(dataset.groups(dataset.rows(split))) for split in (Split.GATE, Split.TEST)]
    assert not groups[0] & groups[1]


def test_a_run_on_it_ends_before_anything_is_loaded(
    records: list[Record], prepare_rows: Prepare, tmp_path: Path
) -> None:
    prepare_rows(records, evaluation="test")

    with pytest.raises(DataError, match="evaluation only cannot be trained on"):
        open_inputs(GnnSpec(dataset=tmp_path / "new" / DATASET_FOLDER))


@pytest.mark.parametrize("other", [{"honour_split": {"train": ["train"]}}, {"split": "time"}])
def test_other_ways_to_split_beside_it_are_a_mistake(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="evaluation puts every function into test: leave out"):
        PrepareConfig(evaluation="test", **other)


def test_settings_of_before_keep_the_id_of_a_data_set(dataset_folder: Path) -> None:
    assert "evaluation" not in json.loads((dataset_folder / DATASET_MANIFEST_NAME).read_bytes())["prepare"]


def test_a_version_counts_functions_by_their_text_and_names_the_settings_that_differ(
    records: list[Record], dataset_folder: Path, prepare_rows: Prepare
) -> None:
    changed = [dict(record) for record in records[4:]]
    # Another layout of the same text, under another id, is the same function.
    changed[0] |= {"func": changed[0]["func"].replace(" ", "  "), "id": "renamed"}
    changed[1]["target"] = 1
    changed += pair_of_functions(1000)
    before = PreviousVersion(id="ds_1", version=1, path=dataset_folder)

    changes = prepare_rows(changed, previous=before, max_nodes=500, fields={"cwe": "cwe"}).changes

    assert changes is not None
    assert (changes.previous, changes.version) == ("ds_1", 1)
    assert (changes.added, changes.removed, changes.relabelled) == (2, 4, 1)
    assert changes.unchanged <= len(changed) - 2 - 1
    assert [(s.name, s.before, s.after) for s in changes.settings] == [
        ("fields.cwe", None, "cwe"),
        ("max_nodes", 2000, 500),
    ]


def test_a_function_in_another_split_has_moved(
    records: list[Record], dataset_folder: Path, prepare_rows: Prepare
) -> None:
    before = PreviousVersion(id="ds_1", version=1, path=dataset_folder)

    changes = prepare_rows(records, previous=before, evaluation="test").changes

    assert changes is not None
    in_test = len(Dataset.open(dataset_folder).rows(Split.TEST))
    assert (changes.moved, changes.unchanged) == (len(records) - in_test, in_test)
    assert (changes.added, changes.removed, changes.relabelled) == (0, 0, 0)


def test_a_damaged_version_before_is_a_warning_of_the_new_one(
    records: list[Record], dataset_folder: Path, prepare_rows: Prepare, tmp_path: Path
) -> None:
    damaged = shutil.copytree(dataset_folder, tmp_path / "damaged")
    (damaged / DATASET_MANIFEST_NAME).unlink()

    summary = prepare_rows(records, previous=PreviousVersion(id="ds_1", version=3, path=damaged))

    assert summary.changes is None
    assert any("What changed against version 3 is not known" in warning for warning in summary.warnings)
