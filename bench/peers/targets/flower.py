"""Flower in front of a Celery worker, with Redis; nothing is kept on disk."""

import asyncio
import time

import redis

from bench.peers.http_client import HttpClient
from bench.peers.peer import Row, Traits
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS

TASKS = "/api/task/async-apply"
RESTING_S = 25
WORKERS = 2
SEED_TIMEOUT_S = 120.0
LIKENESS = {
    Row.SUBMIT: "near: async-apply puts a message on Redis; nothing durable, no validation of a spec",
    Row.STATUS: "near: task/info from Flower's memory; of the 20 tasks 2 run, 18 are received",
    Row.LIST: "near: /api/tasks?state=FAILURE, newest first, 50, from Flower's memory",
    Row.EXECUTION: "like: a Celery task that starts a process, prefork with 2 processes",
    Row.FOOTPRINT: "Flower, a Celery worker (prefork, 2) and Redis; nothing persisted",
}


class Flower(ServerPeer):
    """Flower and its worker.

    Args:
        environment: Settings, processes, shared servers.
    """

    def __init__(self, environment: Environment) -> None:
        traits = Traits(
            name="flower",
            port=5660,
            distribution="flower",
            venv="flower",
            likeness=LIKENESS,
            rows=frozenset(Row) - {Row.METRICS},
            counted_with=("redis",),
            worker_settle_s=0.0,
        )
        super().__init__(environment, traits)
        self._environment = {"PYTHONPATH": str(PROGRAMS), "FLOWER_UNAUTHENTICATED_API": "true"}

    def version(self) -> str:
        """Return the versions of Flower and Celery."""
        return f"{self.version_of('flower')} / celery {self.version_of('celery')}"

    def restore(self) -> None:
        """Empty Redis."""
        super().restore()
        self.servers.start_redis()
        with redis.Redis(port=self.settings.redis_port) as connection:
            connection.flushall()

    def start(self) -> None:
        """Start the worker and Flower."""
        celery = [self.program("celery"), "-A", "flower_app"]
        worker = [*celery, "worker", "-c", str(WORKERS), "-l", "WARNING"]
        self.run(worker, self._environment, log="flower-worker", cwd=self.live)
        address = ["--address=127.0.0.1", f"--port={self.traits.port}"]
        self.run([*celery, "flower", *address, "--logging=warning"], self._environment, cwd=self.live)

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether Flower answers and has seen the worker."""
        await client.send("GET", "/healthcheck")
        return any((await client.get("/api/workers?status=true")).values())

    async def warm_up(self, client: HttpClient) -> None:
        """Let the worker work off the tasks that are to be present.

        Raises:
            RuntimeError: They could not be sent, or take too long.
        """
        command = [self.program("python"), str(PROGRAMS / "flower_app.py")]
        seeding = self.run(command, self._environment, log="flower-seed", cwd=self.live)
        if await asyncio.to_thread(seeding.wait):
            raise RuntimeError("tasks could not be sent to Celery; logs/flower-seed.log says why")
        deadline = time.monotonic() + SEED_TIMEOUT_S
        while any(queue.get("messages") for queue in (await client.get("/api/queues/length"))["active_queues"]):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the worker has not worked off its tasks after {SEED_TIMEOUT_S:g} s")
            await asyncio.sleep(1)
        await asyncio.sleep(3)

    async def _apply(self, client: HttpClient, task: str, argument: object, **options: object) -> str:
        return str((await client.post(f"{TASKS}/{task}", {"args": [argument], **options}))["task-id"])

    async def submit(self, client: HttpClient, number: int) -> str:
        """Send a task to a queue that no worker serves."""
        del number
        return await self._apply(client, "seeded", 1, queue="parked")

    async def after_submits(self, client: HttpClient) -> None:
        """Wait until the resting tasks have ended."""
        del client
        await asyncio.sleep(RESTING_S - 10)

    async def running(self, client: HttpClient, count: int) -> list[str]:
        """Send as many resting tasks as there are worker processes, and others behind them."""
        tasks = [await self._apply(client, "rest", RESTING_S) for _ in range(WORKERS)]
        tasks += [await self._apply(client, "rest", 0) for _ in range(count - WORKERS)]
        await asyncio.sleep(3)
        return tasks

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return the task's state."""
        return str((await client.get(f"/api/task/info/{run_id}"))["state"])

    async def list_failed(self, client: HttpClient) -> int:
        """Filter the tasks."""
        return len(await client.get("/api/tasks?state=FAILURE&limit=50&sort_by=-received"))

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Send the trivial job."""
        return await self._apply(client, "run", tag)

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Return whether the task has ended, from the result backend."""
        return (await client.get(f"/api/task/result/{run_id}"))["state"] in ("SUCCESS", "FAILURE")
