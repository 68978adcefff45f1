"""What cell 54 leaves about single functions agrees with its evidence."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.artifacts import VERDICTS_NAME
from cellgate.contract.configs import Split
from cellgate.contract.files import sha256_of_file
from tests.finished_runs import SEEDS, MakeSpec, aggregate
from trainers.data.dataset import Dataset


def rows(folder: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(folder / VERDICTS_NAME)) as database:
        return database.execute(statement).fetchall()


@pytest.fixture
def weighed(make_spec: MakeSpec, tmp_path: Path) -> Path:
    aggregate(make_spec(), tmp_path / "out")
    return tmp_path / "out"


def test_an_options_errors_are_those_of_all_its_seeds_as_a_bundle_of_them_would_decide(
    make_spec: MakeSpec, tmp_path: Path, dataset: Dataset
) -> None:
    evidence = aggregate(make_spec(), tmp_path / "out")
    together = {found.option: found for found in evidence.shippable if len(found.seeds) > 1}
    positives = int(dataset.labels(dataset.rows(Split.GATE)).sum())

    told = rows(tmp_path / "out", "SELECT option, seeds, threshold FROM options ORDER BY place")

    assert [option for option, _, _ in told] == [option.option for option in evidence.options]
    for option, seeds, threshold in told:
        assert (json.loads(seeds), threshold) == (together[option].seeds, together[option].threshold)
        counted = (
            "SELECT sum(v.wrong AND g.label), sum(v.wrong AND NOT g.label) FROM verdicts v JOIN gate g USING (row) "
            f"WHERE option = '{option}'"
        )
        [(missed, alarms)] = rows(tmp_path / "out", counted)
        found = positives - missed
        assert 2 * found / (2 * found + missed + alarms) == pytest.approx(together[option].f1)


def test_models_are_told_of_dev_fuse_and_gate_and_never_of_test(weighed: Path, dataset: Dataset) -> None:
    told = rows(weighed, "SELECT DISTINCT row FROM models ORDER BY row")

    shown = sorted(row for split in (Split.DEV, Split.FUSE, Split.GATE) for row in dataset.rows(split).tolist())
    assert [row for (row,) in told] == shown
    models = rows(weighed, "SELECT DISTINCT cell, seed FROM models ORDER BY cell, seed")
    assert models == [(cell, seed) for cell in (51, 52, 53) for seed in SEEDS]


def test_the_result_vouches_for_the_verdicts_and_the_same_runs_give_the_same_bytes(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec()
    for name in ("a", "b"):
        aggregate(spec, tmp_path / name)

    result = json.loads((tmp_path / "a" / "result.json").read_text())

    assert result["artifacts"][VERDICTS_NAME] == sha256_of_file(tmp_path / "a" / VERDICTS_NAME)
    assert (tmp_path / "a" / VERDICTS_NAME).read_bytes() == (tmp_path / "b" / VERDICTS_NAME).read_bytes()
