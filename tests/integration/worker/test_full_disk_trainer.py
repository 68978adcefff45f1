"""A real training whose disk becomes full goes on to the bytes of one whose disk did not."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from cellgate.contract.artifacts import EVENTS_NAME
from cellgate.contract.cells import Cell
from cellgate.contract.configs import GnnConfig, PrepareConfig
from cellgate.contract.states import RunState
from service.store.datasets import create_dataset
from service.store.jobs import create_job, runs_of_jobs
from service.store.tables import DatasetRow
from tests.fakes import FakeTrainers
from tests.finished_runs import prepare_generated
from tests.full_disks import fill, free, small_disk
from tests.worker_harness import Floor, Supervision, until
from worker.attempt import supervise
from worker.claim_loop import work_off_queue
from worker.context import TRAINER

CONFIG = GnnConfig.model_validate(
    {
        "model": {"width": 32},
        "training": {"epochs": 12, "batch_size": 8, "learning_rate": {"value": 3e-3}, "checkpoint_every_steps": 5},
    }
)


def queued_runs(floor: Floor, dataset: Path, *, count: int) -> list[str]:
    """Runs of cell 52 with one seed, each of a job of its own, over this data set."""
    with floor.database.begin() as session:
        made = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
    artifacts = floor.folder / "artifacts"
    FakeTrainers(floor.database, artifacts).work()
    with floor.database.begin() as session:
        path = session.scalars(select(DatasetRow.path).where(DatasetRow.id == made.id)).one()
        shutil.copytree(dataset, artifacts / str(path))
        config = CONFIG.model_dump(mode="json")
        jobs = [
            create_job(session, cell=Cell.GNN, dataset_id=made.id, config=config, seeds=[0], fresh=True).id
            for _ in range(count)
        ]
        runs = runs_of_jobs(session, jobs)
        return [runs[job][0].id for job in jobs]


@pytest.mark.slow
def test_a_training_whose_disk_was_full_ends_with_the_bytes_of_one_whose_was_not(
    small_floor: Floor, tmp_path: Path
) -> None:
    dataset = prepare_generated(tmp_path, functions=300)
    with small_disk(tmp_path / "disk", size_bytes=64 << 20) as disk:
        floor = replace(small_floor, folder=disk)
        context = floor.context("", storage_reserve_bytes=8 << 20, device="cpu", threads=1, lease_s=60.0)
        context = replace(context, command=TRAINER)
        undisturbed, disturbed = queued_runs(floor, dataset, count=2)
        supervise(context, floor.claim(context))

        # when the disk is full after the first checkpoint
        with Supervision(context, floor.claim(context)):
            events = floor.attempt_folder(disturbed) / EVENTS_NAME
            until(lambda: events.exists() and '"checkpoint"' in events.read_text(), "there is a checkpoint")
            fill(disk)

        # then the run waits, at no cost
        run = floor.run(disturbed)
        assert (run.state, run.recoveries) == (RunState.QUEUED, 0), run.failure_detail
        assert work_off_queue(context) == 0

        # and goes on from its checkpoint once there is room
        free(disk)
        assert work_off_queue(context) == 1
        whole, first = floor.run(disturbed), floor.run(undisturbed)
        assert whole.state == first.state == RunState.SUCCEEDED, whole.failure_detail
        assert [attempt.exit_code for attempt in floor.attempts(disturbed)] == [10, 0]
        assert (whole.result or {})["artifacts"] == (first.result or {})["artifacts"]
