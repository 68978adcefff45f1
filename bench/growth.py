"""How the time of what is asked all the time grows with the number of runs: `python -m bench.growth [--postgres]`.

Fills one database by statements that make rows of numbers, first to the smallest of `--runs`, then on to the next, and
asks the same questions at each. A few runs wait and one worker lives, however many have ended. Prints milliseconds, the
lowest of several tries: on SQLite of this process's CPU, which does all the work, on PostgreSQL by the clock. What a
question writes is rolled back.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import CTE, ColumnElement, String, case, cast, func, insert, literal, select, text
from sqlalchemy.orm import Session

from bench.api import _postgres
from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from service.domain.principals import Owner
from service.store import backlog
from service.store.changes import load_mark
from service.store.claims import claim_next
from service.store.database import Database, migrate
from service.store.datasets import create_dataset
from service.store.deliveries import is_anything_due
from service.store.dispatch import due_for_dispatch
from service.store.filters import Filters
from service.store.jobs import create_job, list_jobs
from service.store.leases import lease_marks
from service.store.overview import load_overview
from service.store.paging import Order, OrderName, PageOf
from service.store.pipeline import idle_experiments, unfinished_datasets
from service.store.queue import waiting_of
from service.store.quotas import check_waiting
from service.store.runs import get_run, list_runs
from service.store.tables import AttemptRow, DatasetRow, EventRow, JobRow, RunRow, table_of
from service.store.totals import ended_runs, lost_leases, waits
from service.store.versions import load_run_statuses
from service.store.workers import register_worker

SIZES = "1000,10000,100000"
FIRST_S = 1.7e9
WAITING = 50
TRIES = 7
OWNERS = 100
# Of one run in a hundred, none of which has failed.
OWNER = f"pri_{7:026}"
WORKER = "bench"
Question = Callable[[Session], object]


def main() -> None:
    """Fill, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL of its own; default: SQLite")
    parser.add_argument("--runs", default=SIZES, help="how many have ended, rising")
    given = parser.parse_args()
    sizes = [int(size) for size in given.runs.split(",")]
    took: dict[str, list[float]] = {}
    with _database(postgres=given.postgres) as database:
        dataset = _prepare(database)
        present = 0
        for size in sizes:
            fill(database, dataset, range(present, size))
            present = size
            for name, ask in questions(dataset, size).items():
                took.setdefault(name, []).append(lowest_ms(database, ask))
    print(f"| ms, {'PostgreSQL' if given.postgres else 'SQLite'} | {' | '.join(f'{size:,}' for size in sizes)} |")
    print(f"|---|{'---|' * len(sizes)}")
    for name, times in took.items():
        print(f"| {name} | {' | '.join(f'{ms:.2f}' for ms in times)} |")


@contextmanager
def _database(*, postgres: bool) -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="cellgate-growth-") as folder:
        if postgres:
            with _postgres() as url:
                yield from _migrated(url)
        else:
            yield from _migrated(f"sqlite:///{Path(folder) / 'cellgate.db'}")


def _migrated(url: str) -> Iterator[Database]:
    migrate(url)
    database = Database(url)
    yield database
    database.dispose()


def _prepare(database: Database) -> str:
    """Make a data set, a worker and some waiting runs, and return the data set's id."""
    with database.begin() as session:
        dataset = create_dataset(session, name="made", source="made.jsonl", config=PrepareConfig(), graphs=None).id
        session.execute(table_of(DatasetRow).update().values(state="ready"))
        register_worker(session, worker_id=WORKER, queues=["cpu"], slots=2)
        for seed in range(WAITING):
            create_job(session, cell=Cell.GNN, dataset_id=dataset, config={}, seeds=[seed])
        due_for_dispatch(session)
    return dataset


def fill(database: Database, dataset: str, numbers: range) -> None:
    """Add ended runs, each with a job, an attempt and an event; one in twenty has failed."""
    number = _numbers(numbers)
    at = FIRST_S + number.c.i
    common: dict[str, Any] = {
        "cell": case((number.c.i % 2 == 0, "51"), else_="52"),
        "priority": literal(0),
        "queue": literal("cpu"),
        "owner_id": _id("pri", number.c.i % OWNERS),
        "created_at": at,
        "version": literal(1),
    }
    failed = number.c.i % 20 == 0
    empty = literal({}, table_of(JobRow).c.spec.type)
    rows: dict[type[Any], dict[str, Any]] = {
        JobRow: common
        | {"id": _id("job", number.c.i), "dataset_id": literal(dataset), "spec": empty}
        | {"seeds": literal([0], table_of(JobRow).c.seeds.type)},
        RunRow: common
        | {"id": _id("run", number.c.i), "job_id": _id("job", number.c.i), "seed": literal(0), "attempt": literal(1)}
        | {"state": case((failed, "failed"), else_="succeeded"), "recoveries": literal(0), "queued_at": at}
        | {"f1": case((failed, None), else_=0.5 + (number.c.i % 1000) / 2000.0), "took_s": 60.0 + number.c.i % 600}
        | {"started_at": at + 1.0, "finished_at": at + 61.0, "dispatched_at": at},
        AttemptRow: {"run_id": _id("run", number.c.i), "attempt": literal(1), "worker": literal(WORKER)}
        | {"path": literal("p"), "last_event": literal(1), "outcome": literal("succeeded")}
        | {"started_at": at + 1.0, "finished_at": at + 61.0, "duration_s": literal(60.0)},
        EventRow: {"run_id": _id("run", number.c.i), "attempt": literal(1), "kind": literal("transition")}
        | {"at": at, "body": empty},
    }
    with database.begin() as session:
        for table, values in rows.items():
            session.execute(insert(table_of(table)).from_select(list(values), select(*values.values())))
    if database.dialect == "postgresql":
        with database.begin() as session:
            session.execute(text("ANALYZE"))


def _numbers(numbers: range) -> CTE:
    first = select(literal(numbers.start).label("i")).cte("numbers", recursive=True)
    return first.union_all(select(first.c.i + 1).where(first.c.i < numbers.stop - 1))


def _id(prefix: str, number: ColumnElement[int]) -> ColumnElement[str]:
    digits = func.substr(cast(10**9 + number, String), 2)
    return literal(f"{prefix}_{'0' * 17}") + digits


def questions(dataset: str, size: int) -> dict[str, Question]:
    """Return what is asked of a database with so many ended runs, by name."""
    run_id = f"run_{size // 2:026}"

    def listed(order: OrderName = "created", *, counted: bool = False, **wanted: Any) -> Question:
        page = PageOf(order=Order(by=order), counted=counted)
        return lambda session: list_runs(session, page, Filters(**wanted))

    return {
        "status of a run": lambda session: load_run_statuses(session, [run_id]),
        "a run": lambda session: get_run(session, run_id),
        "50 runs": listed(),
        "50 runs, counted": listed(counted=True),
        "50 runs by F1": listed("f1"),
        "50 runs by time": listed("took"),
        "50 failed runs": listed(states=["failed"]),
        "50 failed runs of a cell": listed(states=["failed"], cells=["52"]),
        "50 runs of an owner": listed(owner=OWNER),
        "50 failed runs of an owner": listed(owner=OWNER, states=["failed"]),
        "runs of a job": listed(job_id=f"job_{size // 2:026}"),
        "50 jobs": lambda session: list_jobs(session),
        "overview": load_overview,
        "mark of changes": load_mark,
        "submit": lambda session: create_job(session, cell=Cell.GNN, dataset_id=dataset, config={}, seeds=[0]),
        "places of 50 waiting runs": lambda session: waiting_of(session, list_runs(session)),
        "quota": lambda session: check_waiting(session, owner=Owner(id=OWNER, name=None), limit=100),
        "notifications due": due_for_dispatch,
        "claim": lambda session: claim_next(session, worker=WORKER, queues=["cpu"], lease_s=60),
        "tick: leases": lease_marks,
        "tick: backlog": lambda session: backlog.look(session, silent_s=3600, redispatch_after_s=10),
        "tick: pipelines": lambda session: (list(idle_experiments(session)), list(unfinished_datasets(session))),
        "deliveries due": is_anything_due,
        "totals of /metrics": lambda session: (ended_runs(session), waits(session), lost_leases(session)),
    }


def lowest_ms(database: Database, ask: Question) -> float:
    """Return the lowest time of several tries, in milliseconds; nothing that they write is kept."""
    clock = time.process_time if database.dialect == "sqlite" else time.perf_counter
    took = []
    for _ in range(TRIES):
        with database.begin() as session:
            begun = clock()
            ask(session)
            took.append(1000 * (clock() - begun))
            session.rollback()
    return min(took)


if __name__ == "__main__":
    main()
