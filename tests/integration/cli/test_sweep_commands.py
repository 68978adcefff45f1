"""`cellgate sweep`: trials are jobs, dev chooses, other seeds confirm."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cellgate.contract.cells import Cell
from cellgate.contract.results import RunResult
from cellgate.contract.states import FailureReason
from service.store.claims import Claim
from service.store.tables import JobRow, RunRow
from tests.fakes import HEALTHY
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer, TalkingTrainers

SWEEP = """
name: sizes
cell: 51
config: {training: {epochs: 2}}
search: {model.size: [tiny, small, base]}
method: grid
score: f1
confirm_seeds: [1, 2]
"""
F1_OF = {"tiny": 0.5, "small": 0.75, "base": 0.25}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP)
    return path


def trainers_that_prefer_small(context: LiveServer) -> TalkingTrainers:
    trainers = context.trainers({**HEALTHY, "transformer": [0.9, 0.9, 0.9]})

    def scored(claim: Claim, found: RunResult) -> RunResult:
        with context.database.read() as session:
            chosen = select(JobRow.spec).join(RunRow, RunRow.job_id == JobRow.id).where(RunRow.id == claim.run_id)
            size = session.scalars(chosen).one()["model"]["size"]
        dev = found.metrics["gate"].model_copy(update={"f1": F1_OF[size] + claim.seed / 1000})
        return found.model_copy(update={"metrics": {**found.metrics, "dev": dev}})

    trainers.corrupt = scored
    return trainers


def test_the_best_on_dev_is_chosen_and_confirmed_on_seeds_that_did_not_choose_it(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, file: Path, tmp_path: Path
) -> None:
    with trainers_that_prefer_small(context).at_work():
        ended = cellgate("sweep", file, "--dataset", ready_dataset, "--out", tmp_path / "out.json")

    assert ended.code == 0, ended.err
    assert "Trial 2 of 3: model.size small: f1 0.7500" in ended.out
    assert "Chosen out of 3: trial 2, f1 0.7500 on dev." in ended.out
    assert "Seeds 1, 2, which did not choose it: 0.7515 ± 0.0007 on dev" in ended.out
    found: dict[str, Any] = json.loads((tmp_path / "out.json").read_bytes())
    assert found["winner"] == 2
    assert found["config"] == {"training": {"epochs": 2}, "model": {"size": "small"}}
    assert found["confirmation"]["dev"]["by_seed"] == {"1": 0.751, "2": 0.752}
    with context.database.read() as session:
        jobs = session.scalars(select(JobRow).where(JobRow.name.like("sizes, %")).order_by(JobRow.id)).all()
        assert [(job.name, job.seeds) for job in jobs] == [
            ("sizes, trial 1", [0]),
            ("sizes, trial 2", [0]),
            ("sizes, trial 3", [0]),
            ("sizes, confirmed", [1, 2]),
        ]
        assert all(job.labels == {"sweep": "sizes"} for job in jobs)


def test_trials_that_fail_are_told_and_the_others_go_on(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, file: Path
) -> None:
    trainers = trainers_that_prefer_small(context)
    trainers.failing[Cell.TRANSFORMER, 0] = (FailureReason.COLLAPSE, 5)

    with trainers.at_work():
        ended = cellgate("sweep", file, "--dataset", ready_dataset, "--json")

    assert ended.code == 1
    found = json.loads(ended.out)
    assert found["winner"] is None
    assert found["trials"][0]["failures"] == ["seed 0: collapse: made to fail"]
    assert found["confirmation"] is None


def test_an_interrupted_sweep_cancels_what_has_not_ended_and_says_so(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ctrl-C as soon as the first trial is waited for: nobody works on any.
    def interrupted(_self: object, *_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cellgate.cli.sweeps.Client.follow", interrupted)
    file.write_text(SWEEP.replace("name: sizes", "name: stopped"))

    ended = cellgate("sweep", file, "--dataset", ready_dataset)

    assert ended.code == 130
    assert "what has not ended of 3 jobs is cancelled; the same command again reuses the others" in ended.err
    with context.database.read() as session:
        chosen = select(RunRow.state).join(JobRow, RunRow.job_id == JobRow.id).where(JobRow.name.like("stopped, %"))
        assert session.scalars(chosen).all() == ["cancelled"] * 3


def test_a_sweep_that_would_be_refused_later_submits_nothing(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, file: Path, tmp_path: Path
) -> None:
    file.write_text(SWEEP.replace("base]", "huge]"))

    wrong = cellgate("sweep", file, "--dataset", ready_dataset)
    file.write_text(SWEEP)
    nowhere = cellgate("sweep", file, "--dataset", ready_dataset, "--out", tmp_path / "none" / "out.json")

    assert (wrong.code, nowhere.code) == (2, 2)
    assert "1 of 3 trials are no config of cell 51" in wrong.err
    assert "there is no folder" in nowhere.err
    with context.database.read() as session:
        assert not session.scalars(select(JobRow).where(JobRow.name == "sizes, trial 4")).all()
