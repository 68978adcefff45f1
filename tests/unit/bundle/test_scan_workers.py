"""Several processes score what one would, and a file on which one dies is a problem of its own."""

import json
from functools import partial
from pathlib import Path

import pytest

from cellgate.contract.errors import DataError
from tests.scans import FIRST, GetsBundle, manifest
from trainers.bundle.scan import ScanOptions, find_target, scan
from trainers.bundle.scan_here import BATCH_FILES, LocalScorer, batches
from trainers.bundle.scan_report import as_json
from trainers.bundle.scan_results import Scan
from trainers.bundle.scan_workers import WorkersScorer


def refuse() -> GetsBundle:
    raise DataError("the bundle scores otherwise on this machine than where it was made")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    for number in range(2 * BATCH_FILES + 3):
        (tmp_path / "src" / f"{number:03}.c").write_text(f"// {number}\n{FIRST if number % 3 else ''}")
    return tmp_path


def scanned_by(scorer: object) -> Scan:
    options = ScanOptions()
    return scan(scorer, find_target([Path("src")], options), options)  # type: ignore[arg-type]


def test_several_processes_report_what_one_does_in_the_same_order(folder: Path) -> None:
    alone = scanned_by(LocalScorer(GetsBundle, manifest(folder)))

    together = scanned_by(WorkersScorer(GetsBundle, manifest(folder), jobs=2))

    assert len(alone.findings) == 87
    assert as_json(together) == as_json(alone)


def test_a_file_on_which_its_process_dies_is_listed_and_all_others_are_scored(folder: Path) -> None:
    (folder / "src" / "070.c").write_text("int f(void) { die(); }\n")

    found = scanned_by(WorkersScorer(GetsBundle, manifest(folder), jobs=2))

    assert [(problem.where, problem.found) for _, problem in found.problems] == [
        ("src/070.c", "more than fits into memory")
    ]
    assert len(found.files) == 2 * BATCH_FILES + 2
    assert json.loads(as_json(found))["problems"][0]["where"] == "src/070.c"


def test_a_bundle_that_cannot_be_opened_ends_the_scan_with_its_error(folder: Path) -> None:
    with pytest.raises(DataError, match="scores otherwise on this machine"):
        scanned_by(WorkersScorer(refuse, manifest(folder), jobs=2))


def test_files_are_scored_in_batches_of_few_files_and_few_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainers.bundle.scan_here.BATCH_BYTES", 1_000)
    (folder / "src" / "001.c").write_text(" " * 5_000)
    tasks = find_target([Path("src")], ScanOptions()).tasks

    planned = batches(tasks)

    assert [place for batch in planned for place in batch.places] == list(range(len(tasks)))
    assert planned[1].places == (1,)
    assert all(batch.size_bytes <= 1_000 for batch in planned if len(batch.places) > 1)


def test_nothing_is_opened_where_there_is_nothing_to_score(folder: Path) -> None:
    options = ScanOptions(exclude=["*.c"])
    target = find_target([Path("src")], options)

    assert scan(LocalScorer(partial(refuse), manifest(folder)), target, options).files == ()
    assert scan(WorkersScorer(partial(refuse), manifest(folder), jobs=2), target, options).files == ()
