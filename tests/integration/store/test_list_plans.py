"""Lists are answered from indexes on both databases: every filter, every order, and each filter under each order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, text
from sqlalchemy.orm import Session
from ulid import ULID

from cellgate.contract.api.audit import AuditOutcome
from cellgate.contract.experiment import ExperimentSpec
from service.store import paging
from service.store.changes import load_mark
from service.store.database import Database
from service.store.filters import (
    Filters,
    matching_datasets,
    matching_experiments,
    matching_jobs,
    matching_runs,
)
from service.store.overview import load_overview
from service.store.paging import ORDERS, Matching, Order, PageOf, find_page
from service.store.tables import (
    AuditRow,
    DatasetRow,
    EventRow,
    ExperimentRow,
    JobRow,
    LabelRow,
    PrincipalRow,
    RunRow,
)

ROWS = 1000
HOUR_S = 3600.0
# One in so many is in a rare state, archived, labelled, somebody else's, or named.
RARE = 100
# Wide rows, as real ones are: PostgreSQL reads a table of few pages whole, whatever its indexes.
WIDE = "x" * 1000
LARGE = ("audit", "datasets", "events", "experiments", "jobs", "metrics", "runs")
NOW_S = 1_767_225_600.0
SPEC = ExperimentSpec().model_dump(mode="json")
Matches = Callable[[Filters], Matching]


def _id(prefix: str, number: int) -> str:
    """An id of the hour of its number."""
    at_ms = int(1000 * (NOW_S + number * HOUR_S))
    return f"{prefix}_{ULID(at_ms.to_bytes(6, 'big') + number.to_bytes(10, 'big'))}"


EVERY_LIST: dict[str, Filters] = {
    "none": Filters(),
    "archived": Filters(archived=True),
    "not archived": Filters(archived=False),
    "since": Filters(since_s=NOW_S + (ROWS - 10) * HOUR_S),
    "before": Filters(before_s=NOW_S + 10 * HOUR_S),
    "owner's id": Filters(owner=f"pri_{77:026}"),
    "owner's name": Filters(owner="anna"),
    "name": Filters(text="rare"),
}
LABELLED = Filters(labels={"team": "core"})
# Most rows match, or each has to be looked at.
UNSELECTIVE = {"none", "not archived", "name", "label of rows", "state of jobs", "outcome of jobs"}
# Answered from the order of ids; in any other one, rows are looked at up to a limit.
RANGED = {"archived", "since", "before", "id"}
LISTS: dict[type[Any], tuple[Matches, dict[str, Filters]]] = {
    DatasetRow: (
        matching_datasets,
        {
            "label of rows": LABELLED,
            "state": Filters(states=["failed"]),
            "version": Filters(name="rare", name_version=2),
        },
    ),
    ExperimentRow: (
        matching_experiments,
        {
            "state": Filters(states=["failed"]),
            "id": Filters(text=_id("exp", 7)[:20]),
            "label": LABELLED,
            "states": Filters(states=["failed", "cancelled"]),
            "outcome": Filters(outcomes=["broken"]),
            "dataset": Filters(dataset_id=_id("ds", 7)),
        },
    ),
    JobRow: (
        matching_jobs,
        {
            "label of rows": LABELLED,
            "state of jobs": Filters(states=["failed"]),
            "outcome of jobs": Filters(outcomes=["broken"]),
            "cell": Filters(cells=["53"]),
            "experiment": Filters(experiment_id=_id("exp", 7)),
            "dataset": Filters(dataset_id=_id("ds", 7)),
        },
    ),
    RunRow: (
        matching_runs,
        {
            "label of rows": LABELLED,
            "state": Filters(states=["failed"]),
            "cell": Filters(cells=["53"]),
            "experiment": Filters(experiment_id=_id("exp", 7)),
            "job": Filters(job_id=_id("job", 7)),
        },
    ),
}


def _shared(prefix: str, number: int) -> dict[str, Any]:
    rare = number % RARE == 0
    return {
        "id": _id(prefix, number),
        "name": f"rare {number}" if rare else f"common {number}",
        "owner_id": f"pri_{77 if rare else 78:026}",
        "created_at": NOW_S + number * HOUR_S,
        "note": WIDE,
        "archived_at": NOW_S if rare else None,
        "version": 1,
    }


def _rows(number: int) -> Iterator[tuple[type[Any], dict[str, Any]]]:
    rare = number % RARE == 0
    labels = {"team": "core" if rare else "other"}
    dataset, experiment, job = (_id(prefix, number) for prefix in ("ds", "exp", "job"))
    named = {"labels": labels}
    state = "failed" if rare else "ready"
    yield DatasetRow, {**_shared("ds", number), **named, "name_version": 1, "state": state, "source": "/d", "spec": {}}
    ended = {"finished_at": NOW_S + number * HOUR_S, "best_f1": number / ROWS, "took_s": float(number)}
    end = {"state": "failed" if rare else "succeeded", "outcome": "broken" if rare else "ships"}
    yield (
        ExperimentRow,
        {
            **_shared("exp", number),
            **ended,
            **end,
            "dataset_id": dataset,
            "autopilot": True,
            "spec": SPEC,
        },
    )
    yield LabelRow, {"experiment_id": experiment, "key": "team", "value": labels["team"]}
    of_job = {"cell": "53" if rare else "51", "queue": "cpu", "priority": 0}
    yield (
        JobRow,
        {
            **_shared("job", number),
            **named,
            **of_job,
            "experiment_id": experiment,
            "dataset_id": dataset,
            "step": "51",
            "spec": {},
            "seeds": [0],
        },
    )
    yield (
        RunRow,
        {
            **_shared("run", number),
            **named,
            **of_job,
            "job_id": job,
            "experiment_id": experiment,
            "seed": 0,
            "state": "failed" if rare else "succeeded",
            "f1": number / ROWS,
            "took_s": float(number),
            "queued_at": NOW_S,
        },
    )
    yield EventRow, {"experiment_id": experiment, "kind": "transition", "at": NOW_S, "body": {}}
    yield (
        AuditRow,
        {
            "at": NOW_S,
            "principal_id": "pri",
            "principal": "p",
            "action": "a",
            "outcome": AuditOutcome.DONE.value,
            "detail": {},
        },
    )


def fill(database: Database) -> None:
    """Insert so many of everything, and let the database count them."""
    tables: dict[type[Any], list[dict[str, Any]]] = {}
    for number in range(ROWS):
        for table, row in _rows(number):
            tables.setdefault(table, []).append(row)
    with database.begin() as session:
        session.execute(insert(PrincipalRow).values(id=f"pri_{77:026}", name="anna", created_at=NOW_S))
        for table, rows in tables.items():
            session.execute(insert(table), rows)
    if database.dialect == "postgresql":
        # It does so by itself; SQLite never does.
        with database.begin() as session:
            session.execute(text("ANALYZE"))


@pytest.fixture
def filled(database_url: str) -> Iterator[Database]:
    """A database in which reading a whole table would be dear."""
    database = Database(database_url)
    fill(database)
    yield database
    database.dispose()


@contextmanager
def sent_statements() -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is sent while the block runs, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH", "(SELECT")):
            sent.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def whole_tables(session: Session, sent: Sequence[tuple[str, Any]], *, selective: bool = False) -> list[str]:
    """What the database's plans of these statements read whole, of the large tables.

    Args:
        selective: Whether following an order until the page is full counts as well: few rows match.
    """
    found = []
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    for statement, parameters in sent:
        explained = f"EXPLAIN QUERY PLAN {statement}" if on_sqlite else f"EXPLAIN (FORMAT JSON) {statement}"
        rows = session.connection().exec_driver_sql(explained, parameters).all()
        read = _read_by_sqlite(rows, selective=selective) if on_sqlite else _read_by_postgresql(rows[0][0])
        found += [f"{table}: {statement}" for table in read if table in LARGE]
    return found


def _read_by_sqlite(rows: Sequence[Any], *, selective: bool) -> list[str]:
    # `SCAN runs USING INDEX …` follows an order, and ends with the page; that of a partial index reads what matches.
    words = [row[3].split() for row in rows]
    scanned = [step for step in words if step[0] == "SCAN"]
    whole = [step for step in scanned if "INDEX" not in step or (selective and not step[-1].endswith("_archived"))]
    return [step[1].partition("_")[0] for step in whole]


def _indexes_of(session: Session, sent: Sequence[tuple[str, Any]]) -> set[str]:
    """The indexes in SQLite's plans of these statements."""
    plans = (session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", with_).all() for sql, with_ in sent)
    return {word for plan in plans for row in plan for word in row[3].split() if word.startswith("ix_")}


def _read_by_postgresql(plan: Any) -> list[str]:
    match plan:
        case list():
            return [table for part in plan for table in _read_by_postgresql(part)]
        case {"Node Type": "Limit", "Plans": [{"Node Type": "Seq Scan"}]}:
            # It ends with the limit: most rows match, or another plan were cheaper.
            return []
        case dict():
            own = [plan["Relation Name"]] if plan.get("Node Type") == "Seq Scan" else []
            return own + [table for part in plan.values() for table in _read_by_postgresql(part)]
    return []


def read_whole(session: Session, table: type[Any]) -> dict[str, list[str]]:
    """What a list reads whole, by filter and order, for its first page and the one behind it."""
    matching, own = LISTS[table]
    names: Any = ("created", *ORDERS[table])
    orders = [Order(by=by, descending=descending) for by in names for descending in (True, False)]
    read = {}
    for name, wanted in {**EVERY_LIST, **own}.items():
        for order in orders:
            with sent_statements() as sent:
                first = find_page(session, matching(wanted), PageOf(limit=5, order=order))
                if first.after is not None:
                    after, value = first.after.id, first.after.value
                    find_page(session, matching(wanted), PageOf(limit=5, order=order, after=after, value=value))
            selective = name not in UNSELECTIVE and (order.by == "created" or name not in RANGED)
            if found := whole_tables(session, sent, selective=selective):
                read[f"{table.__tablename__} {name} by {order.by}, {order.descending}"] = found
    return read


@pytest.mark.parametrize(
    ("pair", "index"),
    [
        (Filters(cells=["53"], states=["succeeded"]), "ix_runs_cell_state"),
        (Filters(owner=f"pri_{77:026}", states=["succeeded"]), "ix_runs_owner_state"),
    ],
)
def test_two_filters_that_no_run_meets_together_are_answered_from_one_index(
    filled: Database, pair: Filters, index: str
) -> None:
    with filled.read() as session, sent_statements() as sent:
        found = find_page(session, matching_runs(pair), PageOf(limit=5))
        plans = _indexes_of(session, sent) if filled.dialect == "sqlite" else {index}

        assert not found
        assert index in plans
        assert whole_tables(session, sent, selective=True) == []


def test_no_list_no_filter_no_order_and_no_overview_reads_a_whole_table(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the rows here every page of a search would look at all.
    monkeypatch.setattr(paging, "LOOKED_AT", 50)
    with filled.read() as session:
        for table in LISTS:
            assert read_whole(session, table) == {}
        with sent_statements() as sent:
            overview = load_overview(session, max_running=2)
            load_mark(session)
        assert whole_tables(session, sent) == []

        if filled.dialect == "sqlite":
            used = _indexes_of(session, sent)
            assert {"ix_experiments_finished_at", "ix_jobs_dataset_id", "ix_runs_experiment_id"} <= used
            # What nearly all rows have in common finds nothing.
            assert not used & {"ix_jobs_cell", "ix_runs_state"}

    assert len(overview.latest) == 20
    assert len(sent) <= 10 + 1
