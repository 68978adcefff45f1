"""Opening finished runs: what does not fit is refused, all of it at once, and by name."""

from pathlib import Path

import numpy as np
import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError, SpecError
from tests.finished_runs import noisy_log_odds, write_result_of, write_run
from trainers.data.dataset import Dataset
from trainers.engine.predictions import Predictions, predictions_path, read_predictions, write_predictions
from trainers.evaluation.finished_runs import FinishedRun, WantedRun, open_runs, read_joined

OTHER_HASH = "sha256:" + "e" * 64


def wanted(path: Path, *, place: int = 0) -> WantedRun:
    return WantedRun(where=f"/gnn/{place}", cell=Cell.GNN, seed=0, path=path)


def a_run(folder: Path, dataset: Dataset) -> FinishedRun:
    write_run(folder, dataset, cell=52, seed=0, log_odds=noisy_log_odds(strength=2, seed=0))
    return open_runs([wanted(folder)], dataset=dataset)[0]


def rewrite(run: FinishedRun, dataset: Dataset, order: list[int], **changes: object) -> Predictions:
    """Write the gate predictions anew: rows in another order, columns changed, and a result that vouches for them."""
    path = predictions_path(run.path, Split.GATE)
    before = read_predictions(path)
    after = Predictions(
        **{
            "rows_R": before.rows_R[order],
            "ids": [before.ids[place] for place in order],
            "labels_R": before.labels_R[order],
            "logits_RC": before.logits_RC[order],
            "embeddings_RD": before.embeddings_RD[order],
            **changes,
        }
    )
    write_predictions(path, after)
    write_result_of(run.path, dataset, cell=52, seed=0)
    return before


def test_every_run_that_does_not_fit_is_named_with_what_differs(dataset: Dataset, tmp_path: Path) -> None:
    log_odds = noisy_log_odds(strength=2, seed=0)
    write_run(tmp_path / "a", dataset, cell=51, seed=0, log_odds=log_odds)
    write_run(tmp_path / "b", dataset, cell=52, seed=7, log_odds=log_odds, dataset_id=OTHER_HASH)

    with pytest.raises(SpecError) as caught:
        open_runs([wanted(tmp_path / "a"), wanted(tmp_path / "b", place=1)], dataset=dataset)

    assert [(problem.where, problem.found, problem.expected) for problem in caught.value.problems] == [
        ("/gnn/0", "cell 51", "cell 52"),
        ("/gnn/1", "seed 7", "seed 0"),
        ("/gnn/1", f"dataset_id {OTHER_HASH}", f"dataset_id {dataset.id}"),
    ]


def test_runs_without_a_valid_result_are_all_named(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "result.json").write_text('{"cell": 52}')

    with pytest.raises(DataError) as caught:
        open_runs([wanted(tmp_path / "missing"), wanted(tmp_path / "damaged")], dataset=dataset)

    assert [problem.where for problem in caught.value.problems] == [
        f"/gnn/0: {tmp_path / name / 'result.json'}" for name in ("missing", "damaged")
    ]


def test_predictions_in_another_order_are_joined_by_id(dataset: Dataset, tmp_path: Path) -> None:
    run = a_run(tmp_path, dataset)
    count = len(dataset.rows(Split.GATE))
    before = rewrite(run, dataset, list(reversed(range(count))))

    (joined,) = read_joined([(open_runs([wanted(tmp_path)], dataset=dataset)[0], Split.GATE)], dataset=dataset)

    assert joined.ids == dataset.ids(dataset.rows(Split.GATE))
    assert np.array_equal(joined.logits_RC, before.logits_RC)


def test_a_missing_id_and_an_extra_id_are_named(dataset: Dataset, tmp_path: Path) -> None:
    run = a_run(tmp_path, dataset)
    ids = dataset.ids(dataset.rows(Split.GATE))
    rewrite(run, dataset, list(range(len(ids))), ids=["stranger", *ids[1:]])

    with pytest.raises(DataError) as caught:
        read_joined([(open_runs([wanted(tmp_path)], dataset=dataset)[0], Split.GATE)], dataset=dataset)

    found = [problem.found for problem in caught.value.problems]
    assert found == [f"no row for {ids[0]}", "extra rows for stranger"]


def test_a_row_that_is_there_twice_is_extra(dataset: Dataset, tmp_path: Path) -> None:
    run = a_run(tmp_path, dataset)
    ids = dataset.ids(dataset.rows(Split.GATE))
    rewrite(run, dataset, [0, *range(len(ids))])

    with pytest.raises(DataError, match=f"extra rows for {ids[0]}"):
        read_joined([(open_runs([wanted(tmp_path)], dataset=dataset)[0], Split.GATE)], dataset=dataset)


def test_labels_of_another_data_set_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    run = a_run(tmp_path, dataset)
    labels_R = dataset.labels(dataset.rows(Split.GATE))
    labels_R[2] = 1 - labels_R[2]
    rewrite(run, dataset, list(range(len(labels_R))), labels_R=labels_R)

    with pytest.raises(DataError, match=f"another label for {dataset.ids(dataset.rows(Split.GATE))[2]}"):
        read_joined([(open_runs([wanted(tmp_path)], dataset=dataset)[0], Split.GATE)], dataset=dataset)


def test_every_file_that_is_wrong_is_named_not_only_the_first(dataset: Dataset, tmp_path: Path) -> None:
    run = a_run(tmp_path, dataset)
    predictions_path(tmp_path, Split.DEV).unlink()
    gate = predictions_path(tmp_path, Split.GATE)
    gate.write_bytes(predictions_path(tmp_path, Split.TEST).read_bytes())

    with pytest.raises(DataError) as caught:
        read_joined([(run, Split.DEV), (run, Split.FUSE), (run, Split.GATE)], dataset=dataset)

    reported = str(caught.value)
    assert "dev.arrow" in reported
    assert "as in its result" in reported
    assert "gnn/0, gate" in reported
    assert "fuse" not in reported
