"""Every fault of a data set is a check that fails, and hides none of the others."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cellgate.contract.results import Check
from tests.corrupt_data import Columns, corrupt, rows_of
from tests.finished_runs import prepare_generated
from trainers.data.dataset import Dataset
from trainers.preflight.dataset_checks import check_dataset


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_generated(tmp_path_factory.mktemp("data"), functions=200)


def _checks(folder: Path) -> dict[str, Check]:
    return {check.name: check for check in check_dataset(Dataset.open(folder), folder)}


def _failed(folder: Path) -> set[str]:
    return {name for name, check in _checks(folder).items() if check.verdict == "fail"}


def _one_class_in_gate(columns: Columns) -> None:
    for row in rows_of(columns, "gate"):
        columns["label"][row] = 1


def _a_third_label(columns: Columns) -> None:
    columns["label"][0] = 2


def _a_group_in_two_splits(columns: Columns) -> None:
    columns["group"][rows_of(columns, "gate")[0]] = columns["group"][rows_of(columns, "train")[0]]


def _a_copy_in_two_splits(columns: Columns) -> None:
    columns["func"][rows_of(columns, "test")[0]] = str(columns["func"][rows_of(columns, "train")[0]]) + "\n"


def _an_id_twice(columns: Columns) -> None:
    columns["id"][1] = columns["id"][0]


def _no_text(columns: Columns) -> None:
    columns["func"][5] = " "


FAULTS: list[tuple[Callable[[Columns], None], str]] = [
    (_one_class_in_gate, "classes_gate"),
    (_a_third_label, "labels"),
    (_a_group_in_two_splits, "groups"),
    (_a_copy_in_two_splits, "duplicates"),
    (_an_id_twice, "ids"),
    (_no_text, "ids"),
]


def test_a_data_set_as_prepared_fails_nothing(healthy: Path) -> None:
    assert _failed(healthy) == set()


@pytest.mark.parametrize(("change", "name"), FAULTS)
def test_a_fault_of_the_data_fails_its_own_check_alone(
    change: Callable[[Columns], None], name: str, healthy: Path, tmp_path: Path
) -> None:
    assert _failed(corrupt(healthy, tmp_path / "corrupted", change)) == {name}


def test_all_faults_at_once_are_all_seen(healthy: Path, tmp_path: Path) -> None:
    def change(columns: Columns) -> None:
        for fault, _ in FAULTS:
            fault(columns)

    assert _failed(corrupt(healthy, tmp_path / "corrupted", change)) == {name for _, name in FAULTS}


def test_a_file_that_changed_without_changing_size_fails_its_hash(healthy: Path, tmp_path: Path) -> None:
    folder = corrupt(healthy, tmp_path / "corrupted", lambda _columns: None)
    report = folder / "report.json"
    report.write_bytes(report.read_bytes().replace(b'"rows"', b'"wors"', 1))

    assert _failed(folder) == {"dataset_hashes"}


def test_too_few_positives_for_the_gates_claim_are_a_warning(healthy: Path) -> None:
    check = _checks(healthy)["gate_positives"]

    assert check.verdict == "warn"
    assert "uncertain" in check.detail


def test_a_train_split_too_small_for_a_network_is_a_warning_with_what_a_linear_model_gets(healthy: Path) -> None:
    check = _checks(healthy)["train_classes"]

    assert check.verdict == "warn"
    assert re.fullmatch(
        r"train has \d+ \w+ functions; 200 are wanted, .* AUROC 0\.\d\d and F1 0\.\d\d on gate", check.detail
    )


@pytest.mark.parametrize(("share", "verdict"), [(0.01, "pass"), (0.3, "warn")])
def test_near_copies_of_train_that_prepare_found_are_a_warning_when_they_are_many(
    share: float, verdict: str, healthy: Path, tmp_path: Path
) -> None:
    folder = corrupt(healthy, tmp_path / "corrupted", lambda _columns: None)
    report = json.loads((folder / "report.json").read_bytes())
    report["near_duplicates"] = {"similarity": 0.8, "either": {"dev": {"share": 0.0}, "gate": {"share": share}}}
    (folder / "report.json").write_text(json.dumps(report))
    [check] = [c for c in check_dataset(Dataset.open(healthy), folder) if c.name == "near_duplicates"]

    assert check.verdict == verdict
    assert f"{share:.1%} of gate" in check.detail
