"""Ray's job server: one head node with a dashboard, state in memory."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

from bench.peers.http_client import HttpClient
from bench.peers.peer import Row, Traits
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS

HEAD_PORT = 6399
OBJECT_STORE_BYTES = 200_000_000
QUICK_JOB, LONG_JOB = "true", "sleep 3000"
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
LIKENESS = {
    Row.SUBMIT: "like in purpose, but every POST starts a supervisor process at once: 24 submits a series only",
    Row.STATUS: "like: GET jobs/{id} of jobs that really run (`sleep`)",
    Row.LIST: "not like: GET jobs/ returns all jobs, the client filters; seeded through Ray's own store",
    Row.EXECUTION: "like: an entrypoint process per job",
    Row.FOOTPRINT: "`ray start --head` with 2 CPUs and the dashboard; state in memory only",
}


class Ray(ServerPeer):
    """Ray Jobs.

    Args:
        environment: Settings, processes, shared servers.
    """

    def __init__(self, environment: Environment) -> None:
        traits = Traits(
            name="ray",
            port=5620,
            distribution="ray",
            venv="ray",
            likeness=LIKENESS,
            rows=frozenset(Row) - {Row.METRICS},
            max_submits=24,
            idle_settle_s=10.0,
            worker_settle_s=0.0,
        )
        super().__init__(environment, traits)
        # Ray keeps sockets here, whose paths may be no longer than about 100 bytes.
        self._temporary = Path(tempfile.gettempdir()) / "peers-ray"

    def restore(self) -> None:
        """Forget the last session."""
        super().restore()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def start(self) -> None:
        """Start the head node."""
        options = [
            "--head",
            "--block",
            "--num-cpus=2",
            "--node-ip-address=127.0.0.1",
            f"--port={HEAD_PORT}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.traits.port}",
            "--disable-usage-stats",
            f"--temp-dir={self._temporary}",
            f"--object-store-memory={OBJECT_STORE_BYTES}",
        ]
        self.run([self.program("ray"), "start", *options], {"RAY_USAGE_STATS_ENABLED": "0"})

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether jobs can be listed."""
        await client.get("/api/jobs/")
        return True

    async def warm_up(self, client: HttpClient) -> None:
        """Write the finished jobs into Ray's store, which begins empty at every start.

        Raises:
            RuntimeError: They could not be written.
        """
        del client
        command = [self.program("python"), str(PROGRAMS / "ray_seed.py"), f"127.0.0.1:{HEAD_PORT}"]
        seeding = self.run(command, {"RAY_USAGE_STATS_ENABLED": "0"}, log="ray-seed")
        if await asyncio.to_thread(seeding.wait):
            raise RuntimeError("jobs could not be written into Ray's store; logs/ray-seed.log says why")

    async def _submit(self, client: HttpClient, command: str) -> str:
        return str((await client.post("/api/jobs/", {"entrypoint": command}))["submission_id"])

    async def submit(self, client: HttpClient, number: int) -> str:
        """Submit a job that ends at once."""
        del number
        return await self._submit(client, QUICK_JOB)

    async def after_submits(self, client: HttpClient) -> None:
        """Wait for the quick jobs, and stop the long ones."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            jobs = await client.get("/api/jobs/")
            if not any(job["entrypoint"] == QUICK_JOB and job["status"] not in ENDED for job in jobs):
                break
            await asyncio.sleep(1)
        for job in await client.get("/api/jobs/"):
            if job["entrypoint"] == LONG_JOB and job["status"] == "RUNNING":
                await client.send("POST", f"/api/jobs/{job['submission_id']}/stop", {})
        await asyncio.sleep(5)

    async def running(self, client: HttpClient, count: int) -> list[str]:
        """Submit long jobs, each once the one before runs."""
        jobs = []
        for _ in range(count):
            jobs.append(await self._submit(client, LONG_JOB))
            while await self.status(client, jobs[-1]) == "PENDING":
                await asyncio.sleep(0.1)
        return jobs

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return the job's status."""
        return str((await client.get(f"/api/jobs/{run_id}"))["status"])

    async def list_failed(self, client: HttpClient) -> int:
        """List all jobs and choose, as a client has to."""
        failed = [job for job in await client.get("/api/jobs/") if job["status"] == "FAILED"]
        return len(sorted(failed, key=lambda job: -int(job["start_time"]))[:50])

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Submit the trivial job."""
        return await self._submit(client, f"{self.settings.job_python} {PROGRAMS / 'job.py'} {tag}")

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Return whether the job has ended."""
        return await self.status(client, run_id) in ENDED
