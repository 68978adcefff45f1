"""What the API answers when its disk is full, its database is damaged, or a file that a run has left is gone."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cellgate.contract.artifacts import BUNDLE_FOLDER, BUNDLE_MANIFEST_NAME
from cellgate.contract.identifiers import attempt_path
from cellgate.contract.results import RunResult
from service.settings import Settings
from service.store.claims import Claim
from tests.api_client import Api, assert_refused, get, running_api
from tests.fakes import result
from tests.full_disks import fill, free, small_disk

MIB = 1 << 20


@pytest.fixture
def small_settings(sqlite_template: Path, tmp_path: Path) -> Iterator[Settings]:
    with small_disk(tmp_path / "var", size_bytes=8 * MIB) as folder:
        shutil.copy(sqlite_template, folder / "cellgate.db")
        yield Settings(data_dir=folder, storage_reserve_bytes=MIB)


def test_a_full_disk_is_507_and_not_ready_and_all_is_well_once_there_is_room(small_settings: Settings) -> None:
    disk = small_settings.data_dir
    with running_api(small_settings) as api:
        source = api.file()
        fill(disk)

        # Enough of them that the database's log has to grow.
        answers = [
            api.client.post("/v1/datasets", json={"name": f"made {n}" + "x" * 60, "source": source}) for n in range(40)
        ]
        refused = [answer for answer in answers if answer.status_code != 202]
        upload = api.client.put("/v1/uploads/new.jsonl", content=b"{}\n")
        ready = api.client.get("/readyz")
        free(disk)
        after = api.client.post("/v1/datasets", json={"name": "again", "source": source})

    assert refused
    for answer in [*refused, upload]:
        assert_refused(answer, status=507, code="storage_full", pointers=[])
    assert (ready.status_code, ready.json()["checks"]["storage"]["ok"]) == (503, False)
    assert after.status_code == 202


def test_a_database_that_is_damaged_while_the_service_runs_is_503_with_what_to_do(settings: Settings) -> None:
    with running_api(settings) as api:
        file = settings.data_dir / "cellgate.db"
        file.write_bytes(b"no database any more" * 100)
        for leftover in ("cellgate.db-wal", "cellgate.db-shm"):
            (settings.data_dir / leftover).unlink(missing_ok=True)

        problem = assert_refused(api.client.get("/v1/runs"), status=503, code="database_damaged", pointers=[])
        database = api.client.get("/readyz").json()["checks"]["database"]

    assert "restore" in problem["detail"]
    assert "damaged" in database["detail"]


def packed(api: Api) -> tuple[str, Path]:
    """The id of a bundle that is ready, and its folder."""
    trainers = api.trainers()
    experiment = api.experiment()
    trainers.work()
    made = api.client.post(f"/v1/experiments/{experiment}/bundle").json()
    summary = {
        "id": "sha256:" + "b" * 64,
        "kind": "ensemble",
        "parts": ["transformer", "gnn"],
        "seeds": [0, 1],
        "text_weight": 0.6,
        "threshold": 0.5,
        "largest_difference": 0.0,
        "compared": 1,
        "size_bytes": 1,
        "functions_per_s": 1.0,
    }

    def pack(claim: Claim) -> RunResult:
        return result("pack", claim.seed, artifacts={"bundle/model.bin": "sha256:" + "a" * 64}, bundle=summary)

    trainers.made = pack  # type: ignore[method-assign]
    trainers.work()
    folder = api.settings.artifacts / attempt_path(made["run"], 1) / BUNDLE_FOLDER
    folder.mkdir(parents=True)
    for name in (BUNDLE_MANIFEST_NAME, "model.bin"):
        (folder / name).write_bytes(b"{}")
    return str(made["id"]), folder


def test_a_bundle_whose_file_is_gone_is_neither_sent_nor_scored_with(api: Api) -> None:
    bundle, folder = packed(api)
    assert api.client.get(f"/v1/bundles/{bundle}/archive").status_code == 200
    (folder / "model.bin").unlink()

    sent = api.client.get(f"/v1/bundles/{bundle}/archive")
    scored = api.client.post(f"/v1/bundles/{bundle}/predict", json={"functions": ["int f(void) { return 1; }"]})

    for answer in (sent, scored):
        problem = assert_refused(answer, status=410, code="artifact_missing", pointers=[])
        assert bundle in problem["detail"]
        assert "model.bin" in problem["detail"]


def test_an_artifact_that_a_run_left_and_that_is_gone_is_410_and_one_that_never_was_404(api: Api) -> None:
    bundle, folder = packed(api)
    run = get(api, f"/v1/bundles/{bundle}")["run"]
    shutil.rmtree(folder)

    gone = api.client.get(f"/v1/runs/{run}/artifacts/bundle/model.bin")
    never = api.client.get(f"/v1/runs/{run}/artifacts/nothing.bin")

    assert_refused(gone, status=410, code="artifact_missing", pointers=[])
    assert_refused(never, status=404, code="not_found", pointers=[])


def test_a_folder_of_odd_files_is_listed_without_what_is_no_file(api: Api) -> None:
    api.ready_dataset()
    (run,) = get(api, "/v1/runs")["items"]
    folder = api.settings.artifacts / attempt_path(run["id"], 1)
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "folder").mkdir()
    (folder / os.fsdecode(b"\xff\xfe.bin")).write_bytes(b"x")
    (folder / ("n" * 255)).write_bytes(b"x")
    deep = folder
    for _ in range(60):
        deep = deep / "deep"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x")

    names = [file["name"] for file in get(api, f"/v1/runs/{run['id']}/artifacts")]

    assert names == ["n" * 255, "result.json"]
    assert api.client.get(f"/v1/runs/{run['id']}/artifacts/pipe").status_code == 404
