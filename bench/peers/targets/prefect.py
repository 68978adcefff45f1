"""Prefect's server, with a process worker."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from bench.peers.http_client import HttpClient, HttpError
from bench.peers.peer import Row, Traits
from bench.peers.seeding import ONE_OF_EACH_STATE, SEEDED_STATES_SQL, create_runs, seeded_state, wait_until_ready
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS

IDS = "ids.json"
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
POOL_TRIES = 120
LOG_PAGE = 200
FIRST_TIME_SQL = "timestamptz '2023-11-14 00:00:00+00' + g * interval '1 second'"
STATE_NAMES = {"FINISHED": "COMPLETED"}
LIKENESS = {
    Row.SUBMIT: "like: deployments/{id}/create_flow_run, queued in a pool without worker",
    Row.STATUS: "like: GET flow_runs/{id}",
    Row.LIST: "like: flow_runs/filter by state, newest first, 50",
    Row.METRICS: "not like: it has no metrics; a run's logs instead, read in pages of 200",
    Row.EXECUTION: "like: process worker, a process per run; polls every 10 s, tuned: every second",
    Row.FOOTPRINT: "one process for API and services",
}


class Prefect(ServerPeer):
    """Prefect on SQLite, or on PostgreSQL.

    Args:
        environment: Settings, processes, shared servers.
        postgres: Whether on PostgreSQL; jobs are not measured then.
    """

    def __init__(self, environment: Environment, *, postgres: bool = False) -> None:
        rows = frozenset(Row) - {Row.EXECUTION} if postgres else frozenset(Row)
        traits = Traits(
            name="prefect-postgres" if postgres else "prefect",
            port=5610,
            distribution="prefect",
            venv="prefect",
            likeness=LIKENESS,
            rows=rows,
            start_latency_jobs=4,
            counted_with=("postgres",) if postgres else (),
            worker_settle_s=12.0,
            log_delay_s=3.0,
            has_tuned_workers=True,
        )
        super().__init__(environment, traits)
        self._postgres = postgres
        self._seeded_database = f"prefect_seed_{self.settings.runs_present}"
        self._ids: dict[str, str] = {}
        self._worker: subprocess.Popen[str] | None = None

    def _environment(self, database: str = "prefect") -> dict[str, str]:
        sqlite = f"sqlite+aiosqlite:///{self.live}/prefect.db"
        return {
            "PREFECT_HOME": str(self.live / "home"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_API_URL": f"http://127.0.0.1:{self.traits.port}/api",
            "PREFECT_API_DATABASE_CONNECTION_URL": (
                self.servers.postgres_url("asyncpg", database) if self._postgres else sqlite
            ),
        }

    async def prepare(self) -> None:
        """Deploy the flow and create its runs over HTTP; on PostgreSQL one of each state, copied in SQL."""
        if self._postgres:
            self.servers.start_postgres()
        if self.snapshot.is_dir():
            return
        self.empty_live()
        if self._postgres:
            self.servers.create_database(self._seeded_database)
        self._start(self._seeded_database)
        await wait_until_ready(self)
        client = self.client()
        await self._make_pools(client)
        self._ids = await _deploy(client)
        if self._postgres:
            for number in ONE_OF_EACH_STATE:
                await self._create(client, number)
            self._copy_runs()
        else:
            await create_runs(self, self.settings.runs_present, self._create)
        client.close()
        self.stop()
        (self.live / IDS).write_text(json.dumps(self._ids))
        self.keep_snapshot()

    async def _make_pools(self, client: HttpClient) -> None:
        """Make one pool as a worker makes it, and one that no worker serves."""
        worker = self._start_worker(self._environment(self._seeded_database))
        for _ in range(POOL_TRIES):
            try:
                await client.get("/api/work_pools/bench")
                break
            except HttpError:
                await asyncio.sleep(0.5)
        await asyncio.sleep(3)
        self.end(worker)
        await client.post("/api/work_pools/", {"name": "parked", "type": "process", "base_job_template": {}})

    async def _create(self, client: HttpClient, number: int) -> None:
        state = STATE_NAMES.get(seeded_state(number), seeded_state(number))
        body = {
            "flow_id": self._ids["flow"],
            "deployment_id": self._ids["parked"],
            "name": f"r{number}",
            "parameters": {"lr": 0.1},
            "tags": ["bench"],
            "state": {"type": state, "name": state.title()},
        }
        await client.post("/api/flow_runs/", body)

    def _copy_runs(self) -> None:
        database, count = self._seeded_database, self.settings.runs_present
        for seeded, numbers in SEEDED_STATES_SQL.items():
            state = STATE_NAMES.get(seeded, seeded)
            newest = f"SELECT id FROM flow_run WHERE state_type = '{state}' ORDER BY created DESC LIMIT 1"
            ((run,),) = self.servers.sql(newest, database)
            of_run = f"(SELECT * FROM flow_run WHERE id = '{run}')"
            times = ["created", "updated", "expected_start_time", "state_timestamp", "start_time"]
            if state != "RUNNING":
                times.append("end_time")
            changed = dict.fromkeys(times, FIRST_TIME_SQL)
            changed |= {"id": "md5('run' || g)::uuid", "name": "'r' || g", "state_id": "null"}
            self.servers.clone_row("flow_run", of_run, changed, numbers, database, first=10, count=count)
            of_state = f"(SELECT * FROM flow_run_state WHERE flow_run_id = '{run}' ORDER BY timestamp DESC LIMIT 1)"
            changed = dict.fromkeys(("timestamp", "created", "updated"), FIRST_TIME_SQL)
            changed |= {"id": "md5('state' || g)::uuid", "flow_run_id": "md5('run' || g)::uuid"}
            self.servers.clone_row("flow_run_state", of_state, changed, numbers, database, first=10, count=count)
        join = "UPDATE flow_run SET state_id = md5('state' || substr(name, 2))::uuid WHERE state_id IS NULL"
        self.servers.sql(join, database)
        self.servers.sql("VACUUM ANALYZE", database)

    def restore(self) -> None:
        """Put the snapshot in place."""
        super().restore()
        self._ids = json.loads((self.live / IDS).read_text())
        if self._postgres:
            self.servers.start_postgres()
            self.servers.create_database("prefect", self._seeded_database)

    def start(self) -> None:
        """Start the server."""
        self._start("prefect")

    def _start(self, database: str) -> None:
        address = ["--host", "127.0.0.1", "--port", str(self.traits.port)]
        self.run([self.program("prefect"), "server", "start", *address], self._environment(database))

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether its health route answers."""
        await client.get("/api/health")
        return True

    async def warm_up(self, client: HttpClient) -> None:
        """Submit, poll and list a few times."""
        for _ in range(8):
            await self.status(client, await self.submit(client, 0))
            await self.list_failed(client)

    async def submit(self, client: HttpClient, number: int) -> str:
        """Create a run of the deployment without worker."""
        del number
        body = {"parameters": {"tag": "x", "lr": 0.1}, "tags": ["bench"]}
        return str((await client.post(f"/api/deployments/{self._ids['parked']}/create_flow_run", body))["id"])

    async def running(self, client: HttpClient, count: int) -> list[str]:
        """Create runs in state RUNNING."""
        body = {"flow_id": self._ids["flow"], "parameters": {}, "state": {"type": "RUNNING", "name": "Running"}}
        return [str((await client.post("/api/flow_runs/", body))["id"]) for _ in range(count)]

    async def metric_run(self, client: HttpClient) -> str:
        """Create a run in state RUNNING."""
        return (await self.running(client, 1))[0]

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return the run's state."""
        return str((await client.get(f"/api/flow_runs/{run_id}"))["state_type"])

    async def list_failed(self, client: HttpClient) -> int:
        """Filter the runs."""
        failed = {"state": {"type": {"any_": ["FAILED"]}}}
        body = {"sort": "EXPECTED_START_TIME_DESC", "limit": 50, "flow_runs": failed}
        return len(await client.post("/api/flow_runs/filter", body))

    async def log_points(self, client: HttpClient, run_id: str, first_step: int, count: int) -> None:
        """Write a log line for each point."""
        lines = [_log_line(run_id, step) for step in range(first_step, first_step + count)]
        await client.send("POST", "/api/logs/", lines)

    async def read_points(self, client: HttpClient, run_id: str) -> int:
        """Read the log lines, page by page."""
        lines = 0
        while True:
            body = {
                "logs": {"flow_run_id": {"any_": [run_id]}},
                "limit": LOG_PAGE,
                "offset": lines,
                "sort": "TIMESTAMP_ASC",
            }
            page = len(await client.post("/api/logs/filter", body))
            lines += page
            if page < LOG_PAGE:
                return lines

    def _start_worker(self, environment: dict[str, str]) -> "subprocess.Popen[str]":
        options = ["--pool", "bench", "--type", "process", "--name", "w1"]
        log = f"{self.traits.name}-worker"
        return self.run([self.program("prefect"), "worker", "start", *options], environment, log=log)

    def start_workers(self) -> None:
        """Start a worker that polls every 10 s, as it does by default."""
        self._worker = self._start_worker(self._environment())

    def tune_workers(self) -> None:
        """Start a worker that polls every second in the place of the first one."""
        if self._worker is not None:
            self.end(self._worker, grace_s=15.0)
        self._worker = self._start_worker(self._environment() | {"PREFECT_WORKER_QUERY_SECONDS": "1"})

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Create a run of the deployment with a worker."""
        path = f"/api/deployments/{self._ids['bench']}/create_flow_run"
        return str((await client.post(path, {"parameters": {"tag": tag}}))["id"])

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Return whether the run has ended."""
        return await self.status(client, run_id) in ENDED


async def _deploy(client: HttpClient, flows: Path = PROGRAMS) -> dict[str, str]:
    """Deploy the flow to both pools; return the ids of the flow and, by pool, of its deployments."""
    ids = {"flow": str((await client.post("/api/flows/", {"name": "train"}))["id"])}
    for pool in ("bench", "parked"):
        body = {
            "name": pool,
            "flow_id": ids["flow"],
            "work_pool_name": pool,
            "entrypoint": "prefect_flow.py:train",
            "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(flows)}}],
        }
        ids[pool] = str((await client.post("/api/deployments/", body))["id"])
    return ids


def _log_line(run_id: str, step: int) -> dict[str, Any]:
    at = f"2026-01-01T{step // 3600:02d}:{step // 60 % 60:02d}:{step % 60:02d}Z"
    message = f"loss={0.5 + step} step={step}"
    return {"name": "m", "level": 20, "message": message, "timestamp": at, "flow_run_id": run_id}
