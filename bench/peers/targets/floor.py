"""The floor: the least service that does every row durably; see `programs/floor_app.py`."""

import uuid
from typing import Any

from bench.peers.http_client import HttpClient
from bench.peers.peer import Row, Traits
from bench.peers.programs.floor_app import opened
from bench.peers.seeding import seeded_state
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS

DATABASE = "floor.db"
FIRST_S = 1.7e9
FIRST_MS = 1_700_000_000_000
STATE_NAMES = {"FAILED": "failed", "RUNNING": "running", "FINISHED": "succeeded"}
LIKENESS = dict.fromkeys(Row, "floor: the same operation with the least code")


class Floor(ServerPeer):
    """One uvicorn process with SQLite.

    Args:
        environment: Settings, processes, shared servers.
    """

    def __init__(self, environment: Environment) -> None:
        traits = Traits(
            name="floor",
            port=5680,
            distribution="fastapi",
            venv="floor",
            likeness=LIKENESS,
            idle_settle_s=4.0,
            worker_settle_s=0.0,
        )
        super().__init__(environment, traits)

    def version(self) -> str:
        """Return the version of FastAPI."""
        return f"fastapi {super().version()}"

    async def prepare(self) -> None:
        """Write the runs into the database's file."""
        if self.snapshot.is_dir():
            return
        database = opened(str(self.empty_live() / DATABASE))
        rows = [
            (uuid.uuid4().hex, "bench", '{"lr": 0.1}', STATE_NAMES[seeded_state(number)], *[FIRST_S + number] * 3)
            for number in range(self.settings.runs_present)
        ]
        database.execute("BEGIN")
        database.executemany("INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.execute("COMMIT")
        database.close()
        self.keep_snapshot()

    def start(self) -> None:
        """Start uvicorn."""
        options = ["--port", str(self.traits.port), "--no-access-log", "--log-level", "warning"]
        application = ["--factory", "floor_app:create_app", "--app-dir", str(PROGRAMS)]
        command = [self.program("python"), "-m", "uvicorn", *application, *options]
        self.run(command, {"FLOOR_DATABASE": str(self.live / DATABASE)})

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether jobs can be listed."""
        await client.get("/jobs?limit=1")
        return True

    async def warm_up(self, client: HttpClient) -> None:
        """Submit, poll and list some times."""
        for _ in range(50):
            await self.status(client, await self.submit(client, 0))
            await self.list_failed(client)

    async def _submit(self, client: HttpClient, **spec: Any) -> str:
        return str((await client.post("/jobs", {"experiment": "bench", **spec}))["id"])

    async def submit(self, client: HttpClient, number: int) -> str:
        """Submit a job without a command."""
        return await self._submit(client, model="mlp", lr=0.1, seed=number)

    async def running(self, client: HttpClient, count: int) -> list[str]:
        """Submit jobs that are running from the start."""
        return [await self._submit(client, state="running") for _ in range(count)]

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return the job's state."""
        return str((await client.get(f"/jobs/{run_id}"))["state"])

    async def list_failed(self, client: HttpClient) -> int:
        """Filter the jobs."""
        return len(await client.get("/jobs?state=failed&limit=50"))

    async def log_points(self, client: HttpClient, run_id: str, first_step: int, count: int) -> None:
        """Write the points in one transaction."""
        points = [
            {"key": "loss", "value": 0.5 + step, "timestamp": FIRST_MS + step, "step": step}
            for step in range(first_step, first_step + count)
        ]
        await client.send("POST", f"/jobs/{run_id}/metrics", points)

    async def read_points(self, client: HttpClient, run_id: str) -> int:
        """Read the metric."""
        return len((await client.get(f"/jobs/{run_id}/metrics/loss"))["value"])

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Submit a job with a command."""
        command = [str(self.settings.job_python), str(PROGRAMS / "job.py"), tag]
        return await self._submit(client, command=command)

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Return whether the job has ended."""
        return await self.status(client, run_id) in ("succeeded", "failed")
