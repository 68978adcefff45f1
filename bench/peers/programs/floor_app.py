"""The least service that does every row durably: FastAPI and SQLite, `synchronous=FULL`, in one process.

No authentication, no validation beyond "a JSON object", no queue server. What it measures is what the machine and the
libraries cost, not a product. Jobs run as child processes, two at a time. The database's path is in `FLOOR_DATABASE`.
"""

import asyncio
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response

SCHEMA = """
CREATE TABLE job (id TEXT PRIMARY KEY, experiment TEXT, spec TEXT, state TEXT, created REAL, started REAL, ended REAL);
CREATE INDEX job_state ON job (state, created);
CREATE TABLE metric (job TEXT, key TEXT, step INTEGER, value REAL, at INTEGER, PRIMARY KEY (job, key, step))
    WITHOUT ROWID;
"""
COLUMNS = ("id", "experiment", "spec", "state", "created", "started", "ended")
SLOTS = 2


def opened(path: str) -> sqlite3.Connection:
    """Return a connection that commits each statement to disk, and has the tables."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000"):
        database.execute(f"PRAGMA {pragma}")
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'job'").fetchone():
        database.executescript(SCHEMA)
    return database


def create_app() -> FastAPI:
    """Return the service."""
    database = opened(os.environ["FLOOR_DATABASE"])
    executor = Executor(database)
    app = FastAPI()

    @app.post("/jobs", status_code=201)
    async def submit(spec: dict[str, Any]) -> dict[str, str]:
        job = uuid.uuid4().hex
        values = (job, spec.get("experiment", "x"), json.dumps(spec), spec.get("state", "queued"), time.time())
        database.execute("INSERT INTO job (id, experiment, spec, state, created) VALUES (?, ?, ?, ?, ?)", values)
        if command := spec.get("command"):
            executor.start(job, command)
        return {"id": job, "state": "queued"}

    @app.get("/jobs/{job}")
    async def read(job: str) -> dict[str, Any]:
        row = database.execute(f"SELECT {', '.join(COLUMNS)} FROM job WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise HTTPException(404)
        return dict(zip(COLUMNS, row, strict=True))

    @app.get("/jobs")
    async def find(state: str = "failed", limit: int = 50) -> list[dict[str, Any]]:
        chosen = f"SELECT {', '.join(COLUMNS)} FROM job WHERE state = ? ORDER BY created DESC LIMIT ?"
        return [dict(zip(COLUMNS, row, strict=True)) for row in database.execute(chosen, (state, limit))]

    @app.post("/jobs/{job}/metrics")
    async def log(job: str, request: Request) -> Response:
        points = json.loads(await request.body())
        values = [(job, point["key"], point["step"], point["value"], point["timestamp"]) for point in points]
        database.execute("BEGIN")
        database.executemany("INSERT OR REPLACE INTO metric VALUES (?, ?, ?, ?, ?)", values)
        database.execute("COMMIT")
        return Response(status_code=204)

    @app.get("/jobs/{job}/metrics/{key}")
    async def read_metric(job: str, key: str) -> Response:
        chosen = "SELECT step, value, at FROM metric WHERE job = ? AND key = ? ORDER BY step"
        rows = database.execute(chosen, (job, key)).fetchall()
        columns = {name: [row[index] for row in rows] for index, name in enumerate(("step", "value", "timestamp"))}
        return Response(json.dumps(columns, separators=(",", ":")), media_type="application/json")

    return app


class Executor:
    """Runs commands as child processes, two at a time.

    Args:
        database: Where it writes what became of them.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._slots = asyncio.Semaphore(SLOTS)
        # The event loop holds tasks only weakly.
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, job: str, command: Sequence[str]) -> None:
        """Run a command as soon as a slot is free."""
        task = asyncio.create_task(self._run(job, command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job: str, command: Sequence[str]) -> None:
        async with self._slots:
            self._database.execute("UPDATE job SET state = 'running', started = ? WHERE id = ?", (time.time(), job))
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            await process.communicate()
            state = "succeeded" if process.returncode == 0 else "failed"
            self._database.execute("UPDATE job SET state = ?, ended = ? WHERE id = ?", (state, time.time(), job))
