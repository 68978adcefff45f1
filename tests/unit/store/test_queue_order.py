"""The order of the queue, and the reason that a waiting run shows."""

from collections import Counter

from sqlalchemy import delete

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec, RunLimits
from cellgate.contract.states import Waiting
from service.store import lifecycle, run_actions
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.experiments import create_experiment
from service.store.filters import Filters
from service.store.jobs import create_job, jobs_of_experiment, runs_of_jobs
from service.store.paging import PageOf
from service.store.queue import waiting_of
from service.store.runs import get_run, list_runs
from service.store.tables import EventRow
from service.store.workers import register_worker
from tests.fakes import FakeTrainers


def job(database: Database, dataset_id: str, *, runs: int, priority: int = 0, queue: str = "cpu") -> str:
    limits = RunLimits(priority=priority, queue=queue)
    with database.begin() as session:
        return create_job(
            session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=list(range(runs)), limits=limits
        ).id


def claim(database: Database, *queues: str) -> Claim:
    with database.begin() as session:
        found = claim_next(session, worker="w", queues=queues or ["cpu"], lease_s=60)
    assert found is not None
    return found


def finish(database: Database, held: Claim) -> None:
    with database.begin() as session:
        lifecycle.succeed(session, run_id=held.run_id, attempt=held.attempt, exit_code=0, result={})


def waits(database: Database) -> dict[str, Waiting]:
    with database.read() as session:
        return waiting_of(session, list_runs(session, PageOf(limit=500)))


def worker(database: Database, *queues: str, slots: int = 1) -> None:
    with database.begin() as session:
        register_worker(session, worker_id="w", queues=queues, slots=slots)


def test_the_highest_priority_runs_first_and_its_jobs_take_turns(database: Database, dataset_id: str) -> None:
    jobs = [(priority, job(database, dataset_id, runs=2, priority=priority)) for priority in (0, 5, 0, -5, 5)]

    claimed = [claim(database) for _ in range(10)]

    first, second, third, fourth, fifth = (job_id for _priority, job_id in jobs)
    expected = [second, fifth, second, fifth, first, third, first, third, fourth, fourth]
    assert [held.job_id for held in claimed] == expected
    assert [held.seed for held in claimed] == [0, 0, 1, 1, 0, 0, 1, 1, 0, 1]


def test_three_runs_of_one_experiment_do_not_wait_for_thirty_of_another(
    database: Database, dataset_id: str, trainers: FakeTrainers
) -> None:
    # given two experiments whose bases are queued at the same time, the big one first
    with database.begin() as session:
        sizes = {
            create_experiment(
                session, name=str(seeds), dataset_id=dataset_id, spec=ExperimentSpec(seeds=list(range(seeds)))
            ).id: seeds
            for seeds in (15, 2)
        }
    trainers.work(limit=2)
    queued_runs = Filters(states=["queued"])
    with database.read() as session:
        queued = {run.id: sizes[str(run.experiment_id)] for run in list_runs(session, PageOf(limit=500), queued_runs)}
    assert Counter(queued.values()) == {15: 30, 2: 4}

    # when one slot works them off
    run_live_server = []
    for _ in range(34):
        held = claim(database)
        run_live_server.append(queued[held.run_id])
        finish(database, held)

    # then they take turns, and the small one is through after eight
    assert run_live_server[:8] in ([15, 2] * 4, [2, 15] * 4)
    assert run_live_server[8:] == [15] * 26


def test_an_experiment_that_comes_late_is_served_next_but_gets_no_more_than_its_turn(
    database: Database, dataset_id: str
) -> None:
    first = job(database, dataset_id, runs=6)
    for _ in range(3):
        finish(database, claim(database))
    late = job(database, dataset_id, runs=2)

    assert [claim(database).job_id for _ in range(5)] == [late, first, late, first, first]


def test_after_a_deletion_took_the_newest_events_turns_go_on_as_before(database: Database, dataset_id: str) -> None:
    first = job(database, dataset_id, runs=6)
    for _ in range(3):
        finish(database, claim(database))
    # SQLite uses the ids of events again.
    with database.begin() as session:
        session.execute(delete(EventRow))
    late = job(database, dataset_id, runs=4)

    assert [claim(database).job_id for _ in range(6)] == [late, first, late, first, late, first]


def test_the_runs_ahead_of_a_run_are_those_that_are_claimed_before_it(database: Database, dataset_id: str) -> None:
    worker(database, "cpu", slots=100)
    for runs, priority in ((4, 0), (2, 0), (1, 3), (3, -1), (1, 0)):
        job(database, dataset_id, runs=runs, priority=priority)
    claim(database)
    claim(database)
    reported = {run_id: found.ahead for run_id, found in waits(database).items()}

    order = [claim(database).run_id for _ in reported]

    assert {run_id: place for place, run_id in enumerate(order)} == reported


def test_a_run_shows_why_it_waits(database: Database, dataset_id: str) -> None:
    job_id = job(database, dataset_id, runs=3, queue="gpu")
    with database.read() as session:
        first, second, third = (run.id for run in runs_of_jobs(session, [job_id])[job_id])
    assert (waits(database)[first].reason, waits(database)[first].ahead) == ("no_worker", 0)
    assert waits(database)[first].detail.startswith("no worker serves queue gpu: start one")

    worker(database, "cpu", "gpu", slots=1)
    assert (waits(database)[first].reason, waits(database)[first].detail) == ("next", "about to start in queue gpu")
    assert waits(database)[third].detail == "2 runs ahead in queue gpu; 0 of 1 slot at work"

    claim(database, "gpu")
    now = waits(database)
    assert first not in now
    assert (now[second].reason, now[second].detail) == ("busy", "the next of queue gpu; 1 of 1 slot at work")
    assert (now[third].reason, now[third].ahead) == ("behind", 1)
    assert now[third].detail == "1 run ahead in queue gpu; 1 of 1 slot at work"

    with database.begin() as session:
        run_actions.pause_run(session, second)
    assert (waits(database)[second].reason, waits(database)[second].ahead) == ("paused", None)
    assert waits(database)[third].reason == "busy"


def test_queues_do_not_wait_for_each_other(database: Database, dataset_id: str) -> None:
    worker(database, "cpu", "gpu", slots=9)
    job(database, dataset_id, runs=5, queue="gpu")
    alone = job(database, dataset_id, runs=1, queue="cpu")
    with database.read() as session:
        (run,) = runs_of_jobs(session, [alone])[alone]
    assert waits(database)[run.id].ahead == 0


def test_each_claim_is_an_experiments_turn(database: Database, dataset_id: str) -> None:
    with database.begin() as session:
        spec = ExperimentSpec(seeds=[0])
        experiment = create_experiment(session, name="q", dataset_id=dataset_id, spec=spec)
    assert experiment.served_at is None
    held = claim(database)
    with database.read() as session:
        (preflight,) = jobs_of_experiment(session, experiment.id)
        run = get_run(session, held.run_id)
    assert preflight.served_at is not None
    assert run.started_at is not None
    assert abs(preflight.served_at - run.started_at) < 5
