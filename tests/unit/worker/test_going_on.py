"""A worker hands its trainer a checkpoint only if there is one: a trainer refuses a folder without."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cellgate.contract.cells import Cell
from service.store.claims import Claim
from worker.start import going_on


def _claim(resume_from: str | None) -> Claim:
    fields = dict.fromkeys(Claim.__dataclass_fields__)
    return Claim(**{**fields, "run_id": "run_1", "cell": Cell.GNN, "resume_from": resume_from})  # type: ignore[arg-type]


def _checkpoint(folder: Path) -> None:
    (folder / "step-5").mkdir(parents=True)
    (folder / "step-5" / "state.json").write_text("{}")
    (folder / "current.json").write_text(json.dumps({"folder": "step-5", "step": 5}))


def _range_test(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "lr_finder.pt").touch()


@pytest.mark.parametrize("make", [_checkpoint, _range_test])
def test_a_checkpoint_or_a_range_test_is_gone_on_from(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "checkpoint")

    assert going_on(tmp_path, _claim("checkpoint")) == ["--resume", str(tmp_path / "checkpoint")]


@pytest.mark.parametrize("resume_from", [None, "gone", "."])
def test_where_there_is_none_the_run_starts_over(tmp_path: Path, resume_from: str | None) -> None:
    assert going_on(tmp_path, _claim(resume_from)) == []
