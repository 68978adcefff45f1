"""What is asked all the time is found by an index, however many runs there are."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select, text, update
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.states import DatasetState
from service.domain.principals import Owner
from service.store import backlog
from service.store.claims import claim_next, is_anything_open
from service.store.database import Database
from service.store.dispatch import due_for_dispatch
from service.store.jobs import runs_of_jobs
from service.store.leases import lease_marks
from service.store.pipeline import idle_experiments, unfinished_datasets
from service.store.quotas import check_waiting
from service.store.tables import DatasetRow, IdempotencyRow, JobRow, RunRow
from service.store.uptime import stamp_what_changed
from service.store.versions import load_poll_states, load_run_statuses, load_versions
from service.store.workers import register_worker

ENDED, QUEUED = 400, 40
# However many runs there are, these stay few.
# `due` is what a statement itself has found: runs to notify of, up to a limit.
SMALL_TABLES = {"uptime", "workers", "datasets", "due"}
WORKER = "w"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A data set that is being prepared, hundreds of runs that have ended, and some that wait."""
    found = Database(database_url)
    common = {"cell": Cell.GNN.value, "priority": 0, "queue": "cpu", "owner": "me", "owner_id": "pri_1", "version": 1}
    numbers = range(ENDED + QUEUED)
    with found.begin() as session:
        dataset = {"id": "ds_1", "name": "d", "state": DatasetState.PREPARING.value, "spec": {}, "created_at": 1.0}
        session.execute(insert(DatasetRow).values(_complete(DatasetRow, dataset)))
        jobs = [{"id": f"job_{n:04}", "dataset_id": "ds_1", "spec": {}, "seeds": [0], "created_at": n} for n in numbers]
        session.execute(insert(JobRow), [common | job for job in jobs])
        runs = [
            {
                "id": f"run_{n:04}",
                "job_id": f"job_{n:04}",
                "seed": 0,
                "created_at": n,
                "queued_at": n,
                "dispatched_at": n,
            }
            | {"state": "succeeded" if n < ENDED else "queued", "queued_uptime_s": None if n < ENDED else 1.0}
            for n in numbers
        ]
        session.execute(insert(RunRow), [common | run for run in runs])
        register_worker(session, worker_id=WORKER, queues=["cpu"], slots=1)
    if found.dialect == "postgresql":
        with found.begin() as session:
            session.execute(text("ANALYZE"))
    yield found
    found.dispose()


def _complete(table: type[DatasetRow], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with something in every further column that must not be empty."""
    needed = [column for column in table.__table__.columns if not column.nullable and column.server_default is None]
    return {column.name: 1 for column in needed if column.default is None} | values


QUESTIONS: dict[str, Callable[[Session], object]] = {
    "leases": lease_marks,
    "backlog": lambda session: backlog.look(session, silent_s=3600, redispatch_after_s=10),
    "data sets": unfinished_datasets,
    "experiments": idle_experiments,
    "stamps": stamp_what_changed,
    "open runs": lambda session: is_anything_open(session, worker=WORKER, queues=["cpu"]),
    "claim": lambda session: claim_next(session, worker=WORKER, queues=["cpu"], lease_s=60),
    "status": lambda session: load_run_statuses(session, ["run_0001"]),
    "poll states": lambda session: load_poll_states(session, ["run_0001", "job_0001", "exp_1"]),
    "notifications": due_for_dispatch,
    "runs of jobs": lambda session: runs_of_jobs(session, ["job_0001"]),
    "versions": lambda session: load_versions(session, ["run_0001", "job_0001", "exp_1"]),
    "quota": lambda session: check_waiting(session, owner=Owner(id="pri_1", name="me"), limit=1000),
    "idempotency": lambda session: session.scalars(select(IdempotencyRow).where(IdempotencyRow.key == "k")).all(),
}


def test_no_table_that_grows_is_read_whole(database: Database) -> None:
    read_whole = {name: _tables_read_whole(database, ask) for name, ask in QUESTIONS.items()}

    assert {name: tables for name, tables in read_whole.items() if not tables <= SMALL_TABLES} == {}


def _tables_read_whole(database: Database, ask: Callable[[Session], object]) -> set[str]:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with database.begin() as session:
        event.listen(Engine, "before_cursor_execute", note)
        try:
            ask(session)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        statements = [found for found in asked if found[0].startswith(("SELECT", "UPDATE", "WITH"))]
        assert statements
        return {table for found in statements for table in _read_whole(session, *found)}


def _read_whole(session: Session, statement: str, parameters: Any) -> Iterator[str]:
    driver = session.connection()
    if driver.dialect.name == "sqlite":
        rows = driver.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        scans = [row.detail.split() for row in rows if row.detail.startswith("SCAN ")]
        yield from (
            words[1] for words in scans if words[1][0] != "(" and words[1] != "CONSTANT" and "INDEX" not in words
        )
        return
    # The tables are small: whether an index would do is the question, not whether it pays here.
    driver.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plan = driver.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    yield from _sequential((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])


def _sequential(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _sequential(child)


def test_the_test_sees_a_table_that_is_read_whole(database: Database) -> None:
    with database.begin() as session:
        statement = update(RunRow).where(RunRow.note == "none has this").values(note="other")
        compiled = statement.compile(session.connection())
        found = set(
            _read_whole(
                session,
                str(compiled),
                compiled.construct_params()
                if database.dialect == "postgresql"
                else tuple(compiled.construct_params().values()),
            )
        )
    assert found == {"runs"}
