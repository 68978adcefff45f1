"""Paths that requests name: below configured roots only, and nothing is told of what lies elsewhere."""

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cellgate.contract.cells import Cell
from service.domain.errors import Conflict
from service.local_paths import below, model_source
from service.settings import Settings
from service.store.run_specs import trainer_spec
from service.store.tables import RunRow
from tests.api_client import Api, assert_refused, running_api


@pytest.fixture
def models(settings: Settings) -> Path:
    """The folder that checkpoints may be loaded from by default, with one model in it."""
    folder = settings.data_dir / "models"
    (folder / "mine").mkdir(parents=True)
    return folder


def text_job(dataset: str, checkpoint: str) -> dict[str, Any]:
    return {"cell": 51, "dataset": dataset, "seeds": [0], "model": {"checkpoint": checkpoint}}


def test_a_checkpoint_elsewhere_and_one_that_is_not_there_get_the_same_answer(
    api: Api, models: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (models / "out").symlink_to(tmp_path / "secret")
    (models / "nowhere").symlink_to(tmp_path / "none")
    dataset = api.ready_dataset()
    answers = {}
    for checkpoint in (
        str(tmp_path / "secret"),
        str(tmp_path / "none"),
        "/etc",
        "/etc/none",
        str(models / "none"),
        str(models / "out"),
        str(models / "nowhere"),
        str(models / ".." / "artifacts"),
        "../models/mine",
        "./mine",
        "~/mine",
        "a/b/c",
        "x" * 300,
    ):
        answer = api.client.post("/v1/jobs", json=text_job(dataset, checkpoint))
        problem = assert_refused(answer, status=422, code="invalid_spec", pointers=["/model/checkpoint"])
        answers[problem["errors"][0]["detail"].replace(repr(checkpoint), "it")] = checkpoint

    assert len(answers) == 1, answers


def test_hub_names_and_folders_below_a_model_root_are_accepted_and_every_wrong_one_is_named(
    api: Api, models: Path
) -> None:
    dataset = api.ready_dataset()
    for checkpoint in ("microsoft/codebert-base", "bert-base-uncased", str(models / "mine")):
        assert api.client.post("/v1/jobs", json=text_job(dataset, checkpoint)).status_code == 202, checkpoint

    experiment = {"name": "q", "dataset": dataset, "transformer": {"model": {"checkpoint": "/etc"}}}
    preflight = {"dataset": dataset, "mode": "smoke", "transformer": {"model": {"checkpoint": "/etc"}}}
    for path, body in (("/v1/experiments", experiment), ("/v1/preflights", preflight)):
        answer = api.client.post(path, json=body)
        assert_refused(answer, status=422, code="invalid_spec", pointers=["/transformer/model/checkpoint"])


def test_a_worker_resolves_a_checkpoint_again_when_it_starts_the_run(api: Api, models: Path, tmp_path: Path) -> None:
    (models / "link").symlink_to(models / "mine")
    job = api.client.post("/v1/jobs", json=text_job(api.ready_dataset(), str(models / "link"))).json()
    run = job["runs"][0]["id"]

    def checkpoint() -> str:
        settings = api.settings
        with api.database.read() as session:
            spec = trainer_spec(session, run_id=run, artifacts=settings.artifacts, model_roots=settings.models)
        return str(spec["model"]["checkpoint"])

    assert checkpoint() == str((models / "mine").resolve())
    (models / "link").unlink()
    (models / "link").symlink_to(tmp_path)
    with pytest.raises(Conflict, match="no hub name and no folder below a model root"):
        checkpoint()


def test_what_is_outside_of_every_root_is_never_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    root.mkdir()
    looked_at: list[str] = []
    real = os.lstat

    def lstat(path: Any, **more: Any) -> os.stat_result:
        looked_at.append(os.fspath(path))
        return real(path, **more)

    monkeypatch.setattr(os, "lstat", lstat)
    (tmp_path / "secret").mkdir()
    for path in (tmp_path / "secret", tmp_path / "none", root / ".." / "secret"):
        assert below(str(path), [root]) is None

    assert [path for path in looked_at if "secret" in path or "none" in path] == []


@pytest.mark.parametrize("name", ["org/name", "name", "Org-1/name.v2_x"])
def test_a_name_of_the_hub_is_kept_as_it_is(name: str) -> None:
    assert model_source(name, []) == name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/../b", "a//b", "/a", "a/", "a b", "-a/b", "a\n", "a\x00b"])
def test_what_is_no_name_of_the_hub_is_a_path(name: str, tmp_path: Path) -> None:
    assert model_source(name, [tmp_path / "models"]) is None


def test_the_roots_of_models_are_settings(settings: Settings, tmp_path: Path) -> None:
    more = tmp_path / "more"
    (more / "mine").mkdir(parents=True)
    with running_api(Settings(data_dir=settings.data_dir, model_roots=[more])) as api:
        dataset = api.ready_dataset()
        assert api.client.post("/v1/jobs", json=text_job(dataset, str(more / "mine"))).status_code == 202
        with api.database.read() as session:
            assert session.scalars(select(RunRow.cell).where(RunRow.cell == Cell.TRANSFORMER.value)).all()
