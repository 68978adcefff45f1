"""Airflow standalone on PostgreSQL."""

import asyncio
import shutil
from urllib.parse import quote

from bench.peers.http_client import HttpClient, HttpError
from bench.peers.peer import Row, Traits
from bench.peers.seeding import wait_until_ready
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS

API = "/api/v2/dags"
DAG_TRIES = 120
STATE_SQL = "CASE WHEN g % 10 = 3 THEN 'failed' WHEN g % 10 = 7 THEN 'queued' ELSE 'success' END"
FIRST_TIME_SQL = "timestamptz '2023-11-14 00:00:00+00' + g * interval '1 second'"
LIKENESS = {
    Row.SUBMIT: "like: POST dagRuns of a paused DAG",
    Row.STATUS: "like: GET dagRuns/{id}",
    Row.LIST: "like: dagRuns?state=failed, newest first, 50; seeded in SQL",
    Row.EXECUTION: "like: a BashOperator that starts a process, LocalExecutor",
    Row.FOOTPRINT: "`airflow standalone` on PostgreSQL: API server, scheduler, DAG processor, triggerer, 32 local "
    "workers (on SQLite 16 clients are answered with 500, 'database is locked')",
}


class Airflow(ServerPeer):
    """Airflow; a run's id is `DAG/RUN`.

    Args:
        environment: Settings, processes, shared servers.
    """

    def __init__(self, environment: Environment) -> None:
        traits = Traits(
            name="airflow",
            port=5630,
            distribution="apache-airflow",
            venv="airflow",
            likeness=LIKENESS,
            rows=frozenset(Row) - {Row.METRICS},
            start_latency_jobs=4,
            counted_with=("postgres",),
            idle_settle_s=15.0,
            worker_settle_s=0.0,
        )
        super().__init__(environment, traits)
        self._seeded_database = f"airflow_seed_{self.settings.runs_present}"

    async def prepare(self) -> None:
        """Create one run over HTTP and copy it in SQL."""
        self.servers.start_postgres()
        if self.snapshot.is_dir():
            return
        self.servers.create_database(self._seeded_database)
        dags = self.empty_live() / "dags"
        dags.mkdir()
        shutil.copy(PROGRAMS / "airflow_dags.py", dags)
        self._start(self._seeded_database)
        await wait_until_ready(self)
        client = self.client()
        await self._await_dag(client)
        await self.submit(client, 0)
        client.close()
        self.stop()
        changed = {
            "id": "nextval('dag_run_id_seq')",
            "run_id": "'manual__seed' || lpad(g::text, 6, '0')",
            "state": STATE_SQL,
            "logical_date": "null",
        }
        changed |= dict.fromkeys(("start_date", "queued_at", "run_after", "end_date"), FIRST_TIME_SQL)
        row, count = "(SELECT * FROM dag_run LIMIT 1)", self.settings.runs_present
        self.servers.clone_row("dag_run", row, changed, "true", self._seeded_database, first=0, count=count)
        self.servers.sql("VACUUM ANALYZE", self._seeded_database)
        self.keep_snapshot()

    async def _await_dag(self, client: HttpClient) -> None:
        for _ in range(DAG_TRIES):
            try:
                await client.get(f"{API}/bench")
                return
            except HttpError:
                await asyncio.sleep(1)
        raise RuntimeError(f"Airflow has not found its DAGs after {DAG_TRIES} s; logs/airflow.log says why")

    def restore(self) -> None:
        """Put the snapshot in place."""
        super().restore()
        self.servers.start_postgres()
        self.servers.create_database("airflow", self._seeded_database)

    def start(self) -> None:
        """Start all of it."""
        self._start("airflow")

    def _start(self, database: str) -> None:
        port = self.traits.port
        settings = {
            "DATABASE__SQL_ALCHEMY_CONN": self.servers.postgres_url("psycopg2", database),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "API__PORT": str(port),
            "API__HOST": "127.0.0.1",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        environment = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        self.run([self.program("airflow"), "standalone"], environment | {"AIRFLOW_HOME": str(self.live)})

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether it knows the DAG."""
        await client.get(f"{API}/parked")
        return True

    async def warm_up(self, client: HttpClient) -> None:
        """Submit, poll and list a few times."""
        for _ in range(10):
            await self.status(client, await self.submit(client, 0))
            await self.list_failed(client)

    async def _submit(self, client: HttpClient, dag: str, tag: str) -> str:
        body = {"logical_date": None, "conf": {"tag": tag, "lr": 0.1}}
        return f"{dag}/{(await client.post(f'{API}/{dag}/dagRuns', body))['dag_run_id']}"

    async def submit(self, client: HttpClient, number: int) -> str:
        """Trigger the paused DAG."""
        del number
        return await self._submit(client, "parked", "x")

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return the run's state."""
        dag, _, run = run_id.partition("/")
        return str((await client.get(f"{API}/{dag}/dagRuns/{quote(run, safe='')}"))["state"])

    async def list_failed(self, client: HttpClient) -> int:
        """Filter the runs."""
        path = f"{API}/parked/dagRuns?state=failed&limit=50&order_by=-start_date"
        return len((await client.get(path))["dag_runs"])

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Trigger the DAG that runs."""
        return await self._submit(client, "bench", tag)

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Return whether the run has ended."""
        return await self.status(client, run_id) in ("success", "failed")
