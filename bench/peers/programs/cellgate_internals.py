"""What Cellgate's command line and HTTP API cannot do for a benchmark; the only module here that imports Cellgate.

    seed COUNT         copy the one finished run of cell 52 until so many runs are present
    record             write metric points as a worker does, one batch for each line on standard input
    worker COMMAND…    a worker whose trainers are another command

Runs in Cellgate's environment, with Cellgate's settings in the environment variables.
"""

import functools
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, create_engine, insert, select

import worker.app
from service.settings import Settings
from service.store.claims import claim_next
from service.store.database import Database
from service.store.lifecycle import mark_running
from service.store.lookup import new_id
from service.store.recorder import Recorder
from service.store.tables import EventRow, JobRow, RunRow
from worker.__main__ import main as worker_main
from worker.context import WorkerContext

FIRST_S = 1.7e9
NEVER_S = 4e9
ROWS_AT_ONCE = 500
LEASE_S = 3600
METRIC = "train/loss"
Row = dict[str, Any]


def seed(count: int) -> None:
    """Copy the finished run of cell 52, with its job and its events; of ten copies one has failed and one runs."""
    engine = create_engine(Settings().database)
    with engine.begin() as connection:
        chosen = select(RunRow.__table__).where(RunRow.cell == "52", RunRow.state == "succeeded").limit(1)
        run = dict(connection.execute(chosen).mappings().one())
        job = dict(connection.execute(select(JobRow.__table__).where(JobRow.id == run["job_id"])).mappings().one())
        query = select(EventRow.__table__).where(EventRow.run_id == run["id"])
        events = [dict(row) for row in connection.execute(query).mappings()]
        for first in range(0, count, ROWS_AT_ONCE):
            numbers = range(first, min(count, first + ROWS_AT_ONCE))
            _insert_copies(connection, numbers, job, run, events)
    engine.dispose()


def _insert_copies(connection: Connection, numbers: range, job: Row, run: Row, events: Sequence[Row]) -> None:
    jobs, runs, copied_events = [], [], []
    for number in numbers:
        job_id, run_id, at = new_id("job"), new_id("run"), FIRST_S + number
        times = {"created_at": at, "queued_at": at, "started_at": at}
        jobs.append(job | {"id": job_id, "created_at": at})
        runs.append(run | {"id": run_id, "job_id": job_id} | times | _state(number, at))
        copied_events += [_without_id(event) | {"run_id": run_id, "at": at} for event in events]
    connection.execute(insert(JobRow), jobs)
    connection.execute(insert(RunRow), runs)
    if copied_events:
        connection.execute(insert(EventRow), copied_events)


def _state(number: int, at: float) -> Row:
    match number % 10:
        case 3:
            failure = {"failure_reason": "internal_error", "failure_detail": "seeded", "exit_code": 70}
            return {"state": "failed", "finished_at": at + 0.5, "result": None, **failure}
        case 7:
            lease = {"worker": "seeded", "lease_expires_at": NEVER_S, "queue": "seeded"}
            return {"state": "running", "finished_at": None, "result": None, **lease}
        case _:
            return {"state": "succeeded", "finished_at": at + 0.5}


def _without_id(row: Mapping[str, Any]) -> Row:
    return {name: value for name, value in row.items() if name != "id"}


def record() -> None:
    """Answer `claim` with the id of a run of the queue `metrics`, `log RUN FIRST_STEP COUNT` once it is committed."""
    database = Database(Settings().database)
    recorders: dict[str, Recorder] = {}
    events: dict[str, int] = {}
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "claim":
            run_id, recorder = _claim(database)
            recorders[run_id], events[run_id] = recorder, 0
            print(json.dumps(run_id), flush=True)
            continue
        run_id, first_step, count = arguments[0], int(arguments[1]), int(arguments[2])
        points = [_point(events[run_id] + number, first_step + number - 1) for number in range(1, int(count) + 1)]
        events[run_id] += len(points)
        with database.begin() as session:
            accepted = recorders[run_id].record(session, points, [])
        if not accepted:
            raise RuntimeError(f"points of run {run_id} were refused: another worker holds it")
        print("null", flush=True)


def _claim(database: Database) -> tuple[str, Recorder]:
    with database.begin() as session:
        claim = claim_next(session, worker="bench", queues=["metrics"], lease_s=LEASE_S)
    if claim is None:
        raise RuntimeError("no run waits in the queue `metrics`; submit one first")
    with database.begin() as session:
        mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
    return claim.run_id, Recorder(claim)


def _point(number: int, step: int) -> Row:
    return {"n": number, "t": time.time(), "kind": "metric", "step": step, "values": {METRIC: 0.5 + step}}


def run_worker(command: Sequence[str]) -> int:
    """Run a worker that starts this command for each run, followed by the cell's name and the trainer's options."""
    # The command is no setting of a worker: it is passed where the worker's context is made.
    context = functools.partial(WorkerContext, command=tuple(command))
    with patch.object(worker.app, "WorkerContext", context):
        return worker_main(["run"])


def main() -> int:
    """Do what the first argument names."""
    match sys.argv[1:]:
        case ["seed", count]:
            seed(int(count))
        case ["record"]:
            record()
        case ["worker", *command] if command:
            return run_worker(command)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
