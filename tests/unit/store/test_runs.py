import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.events import EventKind
from service.domain.errors import Conflict, InvalidSpec, NotFound
from service.store import lifecycle
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.datasets import create_dataset, get_dataset, list_datasets, preparing_runs
from service.store.experiments import get_experiment
from service.store.jobs import create_job, get_job, list_jobs, runs_of_jobs
from service.store.logs import chunks_after
from service.store.lookup import new_id
from service.store.paging import PageOf
from service.store.recorder import record_event, record_log, record_metrics
from service.store.runs import events_of, get_run, list_runs, metrics_of
from service.store.workers import list_workers, living_workers, record_heartbeat, register_worker, retire_silent_workers


def job_with(database: Database, dataset_id: str, seeds: list[int]) -> list[str]:
    with database.begin() as session:
        job = create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=seeds)
        return [run.id for run in runs_of_jobs(session, [job.id])[job.id]]


def claim(database: Database) -> Claim:
    with database.begin() as session:
        found = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
    assert found is not None
    return found


def test_where_two_attempts_measured_the_same_step_the_later_one_counts(database: Database, dataset_id: str) -> None:
    (run_id,) = job_with(database, dataset_id, [0])
    first = claim(database)
    with database.begin() as session:
        points = [("dev/f1", 10, 0.1), ("dev/f1", 20, 0.2), ("dev/f1", 30, 0.3), ("train/loss", 10, 0.9)]
        record_metrics(session, run_id=run_id, attempt=first.attempt, points=points)
        lifecycle.release(session, run_id=run_id, attempt=first.attempt, why="draining")
    second = claim(database)
    with database.begin() as session:
        record_metrics(session, run_id=run_id, attempt=second.attempt, points=[("dev/f1", 20, 0.25)])

    with database.read() as session:
        f1, loss = metrics_of(session, run_id)
        (only,) = metrics_of(session, run_id, ["train/loss"])

    assert (f1.key, f1.steps, f1.values) == ("dev/f1", [10, 20, 30], [0.1, 0.25, 0.3])
    assert (loss.key, only.values) == ("train/loss", [0.9])


def test_a_point_or_log_chunk_that_is_reported_twice_is_kept_once(database: Database, dataset_id: str) -> None:
    (run_id,) = job_with(database, dataset_id, [0])
    attempt = claim(database).attempt
    for value, text in ((0.1, "one"), (0.7, "other")):
        with database.begin() as session:
            record_metrics(session, run_id=run_id, attempt=attempt, points=[("dev/f1", 10, value)])
            record_log(session, run_id=run_id, attempt=attempt, number=1, text=text)

    with database.read() as session:
        assert metrics_of(session, run_id)[0].values == [0.1]
        assert [log.text for log in chunks_after(session, run_id)] == ["one"]


def test_a_point_that_is_not_finite_is_left_out_and_its_neighbours_are_kept(
    database: Database, dataset_id: str
) -> None:
    (run_id,) = job_with(database, dataset_id, [0])
    attempt = claim(database).attempt
    with database.begin() as session:
        points = [("train/loss", 1, 0.5), ("train/loss", 2, float("nan")), ("train/loss", 3, float("inf"))]
        assert record_metrics(session, run_id=run_id, attempt=attempt, points=points)
    with database.read() as session:
        assert [curve.steps for curve in metrics_of(session, run_id)] == [[1]]


def test_events_come_in_order_and_after_a_cursor(database: Database, dataset_id: str) -> None:
    (run_id,) = job_with(database, dataset_id, [0])
    attempt = claim(database).attempt
    for code in ("a", "b", "c"):
        with database.begin() as session:
            record_event(session, run_id=run_id, attempt=attempt, kind=EventKind.WARNING, body={"code": code})

    with database.read() as session:
        events = events_of(session, run_id=run_id)
        rest = events_of(session, run_id=run_id, after=events[1].id, limit=1)

    assert [event.body.get("code") for event in events] == [None, "a", "b", "c"]
    assert [event.body["code"] for event in rest] == ["b"]


def test_lists_come_newest_first_in_pages(database: Database, dataset_id: str) -> None:
    run_ids = job_with(database, dataset_id, [0, 1, 2])
    with database.read() as session:
        everything = [run.id for run in list_runs(session)]
        first = [run.id for run in list_runs(session, PageOf(limit=2))]
        second = [run.id for run in list_runs(session, PageOf(limit=2, after=first[-1]))]
        assert [job.cell for job in list_jobs(session)] == ["52", "prepare"]
        assert [dataset.id for dataset in list_datasets(session)] == [dataset_id]
    assert set(run_ids) < set(everything)
    assert everything == sorted(everything, reverse=True)
    assert first + second == everything


def test_a_data_set_names_the_run_that_prepares_it(database: Database) -> None:
    with database.begin() as session:
        dataset = create_dataset(session, name="d", source="/f.jsonl", config=PrepareConfig())
        found = preparing_runs(session, [dataset.id])
        assert get_run(session, found[dataset.id]).cell == "prepare"


def test_what_does_not_exist_is_not_found(database: Database) -> None:
    with database.read() as session:
        for get in (get_run, get_job, get_dataset, get_experiment):
            with pytest.raises(NotFound, match="no_such"):
                get(session, "no_such")


def test_a_job_on_a_data_set_that_is_not_ready_is_refused(database: Database) -> None:
    with database.begin() as session:
        dataset = create_dataset(session, name="d", source="/f.jsonl", config=PrepareConfig())
        with pytest.raises(Conflict, match="still being prepared"):
            create_job(session, cell=Cell.GNN, dataset_id=dataset.id, config={}, seeds=[0])
        with pytest.raises(InvalidSpec) as refused:
            create_job(session, cell=Cell.GNN, dataset_id="ds_none", config={}, seeds=[0])
    assert [mistake.pointer for mistake in refused.value.mistakes] == ["/dataset"]


def test_a_worker_is_alive_while_its_heart_beats(database: Database) -> None:
    with database.begin() as session:
        for slots in (1, 2):
            register_worker(session, worker_id="w", queues=["cpu"], slots=slots)
        assert record_heartbeat(session, worker_id="w", listening=True)
        assert not record_heartbeat(session, worker_id="other", listening=True)
        assert [(worker.id, worker.slots) for worker in living_workers(session)] == [("w", 2)]
        retire_silent_workers(session, silent_s=60)
        assert len(list_workers(session)) == 1
        retire_silent_workers(session, silent_s=-1)
        assert list_workers(session) == []


def test_identifiers_say_what_they_are_and_fit_their_columns() -> None:
    identifier = new_id("exp")
    assert identifier.startswith("exp_")
    assert len(identifier) == 30
    assert new_id("exp") != identifier
