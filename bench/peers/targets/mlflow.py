"""MLflow's tracking server, with its job runner."""

import asyncio
import time

from bench.peers.http_client import HttpClient
from bench.peers.peer import Row, Traits
from bench.peers.seeding import (
    ONE_OF_EACH_STATE,
    SEEDED_STATES_SQL,
    create_runs,
    seeded_state,
    wait_until_ready,
)
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS

API = "/api/2.0/mlflow"
JOBS = "/ajax-api/3.0/jobs/"
EXPERIMENT = "1"
FIRST_MS = 1_700_000_000_000
TAGS = [{"key": "owner", "value": "bench"}]
JOB_STATES_UNDER_WAY = ("PENDING", "RUNNING", "0", "1")
WARM_UP_CLIENTS = 10
WARM_UP_ROUNDS = 3
# The name of a run is among its tags.
COPY_TAGS = """
INSERT INTO tags (key, value, run_uuid)
SELECT t.key, CASE t.key WHEN 'mlflow.runName' THEN r.name ELSE t.value END, r.run_uuid
FROM runs r, (SELECT key, value FROM tags WHERE run_uuid = (SELECT run_uuid FROM tags LIMIT 1)) t
WHERE NOT EXISTS (SELECT 1 FROM tags x WHERE x.run_uuid = r.run_uuid)
"""
LIKENESS = {
    Row.SUBMIT: "near: runs/create records a run, it queues no work",
    Row.STATUS: "like: runs/get, which also returns tags and last metrics",
    Row.LIST: "like: runs/search with a status filter, newest first, 50",
    Row.METRICS: "like: log-metric, log-batch of 1,000, get-history",
    Row.EXECUTION: "not its purpose: the internal job route, opened by a private setting; a process per job",
    Row.FOOTPRINT: "`mlflow server` as it is: 4 uvicorn workers, job runner, 7 consumers",
}


class MLflow(ServerPeer):
    """MLflow on SQLite, or on PostgreSQL.

    Args:
        environment: Settings, processes, shared servers.
        postgres: Whether on PostgreSQL; jobs are not measured then.
    """

    def __init__(self, environment: Environment, *, postgres: bool = False) -> None:
        rows = frozenset(Row) - {Row.EXECUTION} if postgres else frozenset(Row)
        traits = Traits(
            name="mlflow-postgres" if postgres else "mlflow",
            port=5600,
            distribution="mlflow",
            venv="mlflow",
            likeness=LIKENESS,
            rows=rows,
            start_latency_jobs=5,
            counted_with=("postgres",) if postgres else (),
            worker_settle_s=0.0,
        )
        super().__init__(environment, traits)
        self._postgres = postgres
        self._seeded_database = f"mlflow_seed_{self.settings.runs_present}"

    async def prepare(self) -> None:
        """Create the runs over HTTP; on PostgreSQL one of each state, which are then copied in SQL."""
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
        created = await client.post(f"{API}/experiments/create", {"name": "bench"})
        if created["experiment_id"] != EXPERIMENT:
            raise RuntimeError(f"MLflow named the first experiment {created}; expected id {EXPERIMENT}")
        if self._postgres:
            for number in ONE_OF_EACH_STATE:
                await self._create(client, number)
            self._copy_runs()
        else:
            await create_runs(self, self.settings.runs_present, self._create)
        client.close()
        self.stop()
        self.keep_snapshot()

    async def _create(self, client: HttpClient, number: int) -> None:
        started_ms, state = FIRST_MS + 1000 * number, seeded_state(number)
        body = {"experiment_id": EXPERIMENT, "start_time": started_ms, "run_name": f"r{number}", "tags": TAGS}
        run = (await client.post(f"{API}/runs/create", body))["run"]["info"]["run_id"]
        if state != "RUNNING":
            ended = {"run_id": run, "status": state, "end_time": started_ms + 500}
            await client.post(f"{API}/runs/update", ended)

    def _copy_runs(self) -> None:
        for state, numbers in SEEDED_STATES_SQL.items():
            changed = {
                "run_uuid": "md5('seed' || g)",
                "name": "'r' || g",
                "start_time": f"{FIRST_MS} + g * 1000::bigint",
                "end_time": "null" if state == "RUNNING" else f"{FIRST_MS + 500} + g * 1000::bigint",
            }
            row = f"(SELECT * FROM runs WHERE status = '{state}' LIMIT 1)"
            count = self.settings.runs_present
            self.servers.clone_row("runs", row, changed, numbers, self._seeded_database, first=10, count=count)
        self.servers.sql(COPY_TAGS, self._seeded_database)
        self.servers.sql("VACUUM ANALYZE", self._seeded_database)

    def restore(self) -> None:
        """Put the snapshot in place."""
        super().restore()
        if self._postgres:
            self.servers.start_postgres()
            self.servers.create_database("mlflow", self._seeded_database)

    def start(self) -> None:
        """Start the server."""
        self._start("mlflow")

    def _start(self, database: str) -> None:
        sqlite = f"sqlite:///{self.live}/mlflow.db"
        store = self.servers.postgres_url("psycopg2", database) if self._postgres else sqlite
        address = ["--host", "127.0.0.1", "--port", str(self.traits.port)]
        environment = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONPATH": str(PROGRAMS),
            "_MLFLOW_SUPPORTED_JOB_FUNCTION_LIST": "mlflow_job.bench_trivial",
            "_MLFLOW_ALLOWED_JOB_NAME_LIST": "bench_trivial",
        }
        command = [self.program("mlflow"), "server", "--backend-store-uri", store, *address]
        self.run(command, environment, cwd=self.live)

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether its health route answers."""
        await client.send("GET", "/health")
        return True

    async def warm_up(self, client: HttpClient) -> None:
        """Send requests from several connections at once, so that every worker process has imported what it needs."""
        del client
        await asyncio.gather(*(self._warm_up_one() for _ in range(WARM_UP_CLIENTS)))

    async def _warm_up_one(self) -> None:
        client = self.client()
        for _ in range(WARM_UP_ROUNDS):
            run = await self.submit(client, 0)
            await self.list_failed(client)
            await self.status(client, run)
            await self.log_points(client, run, 0, 1)
            await self.read_points(client, run)
        client.close()

    async def submit(self, client: HttpClient, number: int) -> str:
        """Create a run."""
        body = {
            "experiment_id": EXPERIMENT,
            "start_time": int(time.time() * 1000),
            "run_name": f"s{number}",
            "tags": [*TAGS, {"key": "lr", "value": "0.1"}],
        }
        return str((await client.post(f"{API}/runs/create", body))["run"]["info"]["run_id"])

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return the run's status."""
        return str((await client.get(f"{API}/runs/get?run_id={run_id}"))["run"]["info"]["status"])

    async def list_failed(self, client: HttpClient) -> int:
        """Search the runs."""
        body = {
            "experiment_ids": [EXPERIMENT],
            "filter": "attributes.status = 'FAILED'",
            "max_results": 50,
            "order_by": ["attributes.start_time DESC"],
        }
        return len((await client.post(f"{API}/runs/search", body))["runs"])

    async def log_points(self, client: HttpClient, run_id: str, first_step: int, count: int) -> None:
        """Log one metric, or a batch."""
        points = [
            {"key": "loss", "value": 0.5 + step, "timestamp": FIRST_MS + step, "step": step}
            for step in range(first_step, first_step + count)
        ]
        if count == 1:
            await client.post(f"{API}/runs/log-metric", {"run_id": run_id, **points[0]})
        else:
            await client.post(f"{API}/runs/log-batch", {"run_id": run_id, "metrics": points})

    async def read_points(self, client: HttpClient, run_id: str) -> int:
        """Read the metric's history, page by page."""
        points, token = 0, ""
        while True:
            page = f"&page_token={token}" if token else ""
            path = f"{API}/metrics/get-history?run_id={run_id}&metric_key=loss&max_results=25000{page}"
            answer = await client.get(path)
            points += len(answer.get("metrics", ()))
            token = answer.get("next_page_token")
            if not token:
                return points

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Submit to the job runner."""
        return str((await client.post(JOBS, {"job_name": "bench_trivial", "params": {"tag": tag}}))["job_id"])

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Return whether the job runner's job has ended."""
        status = str((await client.get(JOBS + run_id))["status"]).upper().rpartition(".")[2]
        return status not in JOB_STATES_UNDER_WAY
