"""Cellgate itself: `cellgate up --no-worker`, over HTTP. What these cannot do is in `cellgate_internals.py`."""

import asyncio
import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.peers.http_client import HttpClient
from bench.peers.line_process import LineProcess
from bench.peers.peer import Row, Traits
from bench.peers.seeding import wait_until_ready
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS, REPOSITORY

PORT = 5690
REDIS_DATABASE = 3
INTERNALS = "bench.peers.programs.cellgate_internals"
KNOWN = "bench.json"
METRIC = "train/loss"
MAX_SOCKET_PATH_BYTES = 100
# Three steps from nothing: it collapses, which is a typed failure, and so ends at once.
SMALLEST: dict[str, Any] = {
    "cell": 52,
    "model": {"width": 8, "layers": 1},
    "training": {"epochs": 1, "max_steps": 3, "batch_size": 32, "learning_rate": {"value": 0.01}},
}
# Learns, and so ends with a result; each one is to be trained, though an equal one has finished.
LEARNS: dict[str, Any] = {
    "cell": 52,
    "fresh": True,
    "model": {"width": 32, "layers": 2},
    "training": {"epochs": 6, "patience": 6, "batch_size": 16, "learning_rate": {"value": 0.01}},
}
ENDED = ("succeeded", "failed", "cancelled")
FUNCTIONS = 400
TRAINING_TIMEOUT_S = 300.0
WARM_UPS = 40
SLOTS = 2
LIKENESS = {
    Row.SUBMIT: "like: POST /v1/jobs, one job with one run of cell 52, validated and committed (SQLite: "
    "synchronous=FULL), into a queue that no worker serves",
    Row.STATUS: "like: GET /v1/runs/{id}/status",
    Row.LIST: "like: GET /v1/runs?state=failed&limit=50",
    Row.METRICS: "not like: written as the worker writes, into SQL without HTTP, as no route takes points; "
    "read over HTTP",
    Row.EXECUTION: "like: the real worker with a bare Python process as trainer; tuned: a real training of cell 52 "
    "from the fork server, until its first step is done",
    Row.FOOTPRINT: "`cellgate up --no-worker`: API, reconciler, broker, supervisor",
}


def cellgate_traits(name: str, *, postgres: bool) -> Traits:
    """Return the traits of Cellgate on SQLite with its own broker, or on PostgreSQL and Redis."""
    return Traits(
        name=f"{name}-postgres" if postgres else name,
        port=PORT,
        distribution="cellgate",
        venv="cellgate",
        likeness=LIKENESS,
        counted_with=("postgres", "redis") if postgres else (),
        worker_settle_s=12.0,
        has_tuned_workers=True,
    )


class Cellgate(ServerPeer):
    """Cellgate on SQLite with its own broker, or on PostgreSQL and Redis.

    Args:
        environment: Settings, processes, shared servers.
        postgres: Whether on PostgreSQL and Redis.
        traits: Of a variant; its own if None.
    """

    def __init__(self, environment: Environment, *, postgres: bool = False, traits: Traits | None = None) -> None:
        super().__init__(environment, traits or cellgate_traits("cellgate", postgres=postgres))
        self._postgres = postgres
        self._seeded_database = f"cellgate_seed_{self.settings.runs_present}"
        self._dataset, self._finished_run = "", ""
        self._recorder: LineProcess | None = None
        self._recorder_turn = asyncio.Lock()
        self._worker: subprocess.Popen[str] | None = None
        self._real_trainer = False
        self._watching: set[asyncio.Task[None]] = set()

    @property
    def snapshot(self) -> Path:
        """Folder that `prepare` leaves, the same for all variants on the same database."""
        return self.settings.snapshot("cellgate-postgres" if self._postgres else "cellgate")

    def _environment(self, database: str = "cellgate") -> dict[str, str]:
        """Return Cellgate's settings; the broker's address is for processes beside `cellgate up`."""
        socket = self.live / "broker" / "broker.sock"
        common = {
            "CELLGATE_DATA_DIR": str(self.live),
            "CELLGATE_PORT": str(self.traits.port),
            "CELLGATE_LOG_FORMAT": "json",
            "PYTHONPATH": str(REPOSITORY),
        }
        if not self._postgres:
            return common | {"CELLGATE_REDIS_URL": f"redis+socket://{socket}?virtual_host=0"}
        return common | {
            "CELLGATE_DATABASE_URL": self.servers.postgres_url("psycopg", database),
            "CELLGATE_REDIS_URL": f"redis://127.0.0.1:{self.settings.redis_port}/{REDIS_DATABASE}",
        }

    def _up(self, *options: str, database: str = "cellgate") -> None:
        environment = self._environment(database)
        if not self._postgres:
            # Without an address it starts its own broker.
            del environment["CELLGATE_REDIS_URL"]
        self.run([self.program("cellgate"), "up", *options], environment, cwd=REPOSITORY)

    async def prepare(self) -> None:
        """Train one run of cell 52 through the API, then copy it in the database.

        Raises:
            RuntimeError: The data set or the run fails, or a copy could not be made.
        """
        self._start_servers()
        if self.snapshot.is_dir():
            return
        source = self.empty_live() / "data" / "functions.jsonl"
        source.parent.mkdir()
        if self._postgres:
            self.servers.create_database(self._seeded_database)
        self._wait("generate", [self.program("python"), "-m", "trainers", "generate", *_generated(source)])
        self._up(database=self._seeded_database)
        await wait_until_ready(self)
        known = await self._train_once(source)
        self.stop()
        seed = [self.program("python"), "-m", INTERNALS, "seed", str(self.settings.runs_present)]
        self._wait("seed", seed)
        if self._postgres:
            self.servers.sql("VACUUM ANALYZE", self._seeded_database)
        (self.live / KNOWN).write_text(json.dumps(known))
        self.keep_snapshot()

    def _start_servers(self) -> None:
        if self._postgres:
            self.servers.start_postgres()
            self.servers.start_redis()
        elif len(str(self.live / "broker" / "broker.sock")) > MAX_SOCKET_PATH_BYTES:
            raise RuntimeError(f"the path {self.live} is too long for the broker's socket; pass a shorter --folder")

    def _wait(self, what: str, command: list[str]) -> None:
        log = f"{self.traits.name}-{what}"
        environment = self._environment(self._seeded_database)
        if self.run(command, environment, log=log, cwd=REPOSITORY).wait():
            raise RuntimeError(f"`{what}` failed; logs/{log}.log says why")

    async def _train_once(self, source: Path) -> dict[str, str]:
        client = self.client()
        body = {"name": "bench", "source": str(source)}
        dataset = str((await client.post("/v1/datasets", body))["id"])
        await self._await_state(client, f"/v1/datasets/{dataset}", "ready")
        job = await client.post("/v1/jobs", {**LEARNS, "dataset": dataset, "seeds": [1]})
        run = str(job["runs"][0]["id"])
        await self._await_state(client, f"/v1/runs/{run}", "succeeded")
        client.close()
        return {"dataset": dataset, "run": run}

    async def _await_state(self, client: HttpClient, path: str, wanted: str) -> None:
        deadline = time.monotonic() + TRAINING_TIMEOUT_S
        while (found := await client.get(path))["state"] != wanted:
            if found["state"] in ENDED or time.monotonic() > deadline:
                raise RuntimeError(f"{path} is {found['state']}, expected {wanted}: {found}")
            await asyncio.sleep(0.2)

    def restore(self) -> None:
        """Put the snapshot in place."""
        super().restore()
        self._start_servers()
        known = json.loads((self.live / KNOWN).read_text())
        self._dataset, self._finished_run = known["dataset"], known["run"]
        if self._postgres:
            self.servers.create_database("cellgate", self._seeded_database)

    def start(self) -> None:
        """Start everything but a worker."""
        self._up("--no-worker")

    def stop(self) -> None:
        """End every process."""
        for task in self._watching:
            task.cancel()
        self._watching.clear()
        super().stop()
        self._recorder, self._worker = None, None

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether runs can be listed."""
        await client.get("/v1/runs?limit=1")
        return True

    async def warm_up(self, client: HttpClient) -> None:
        """Submit, poll and list some times."""
        for _ in range(WARM_UPS):
            await self.status(client, await self.submit(client, 0))
            await self.list_failed(client)

    async def _submit(self, client: HttpClient, seed: int, **terms: str) -> str:
        body = {**SMALLEST, "dataset": self._dataset, "seeds": [seed], **terms}
        return str((await client.post("/v1/jobs", body))["runs"][0]["id"])

    async def submit(self, client: HttpClient, number: int) -> str:
        """Submit a job into a queue that no worker serves."""
        del number
        return await self._submit(client, 0, queue="parked")

    async def running(self, client: HttpClient, count: int) -> list[str]:
        """Submit jobs that stay queued: there is no worker yet."""
        return [await self._submit(client, 0, queue="parked") for _ in range(count)]

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return the run's state."""
        return str((await client.get(f"/v1/runs/{run_id}/status"))["state"])

    async def list_failed(self, client: HttpClient) -> int:
        """Filter the runs."""
        return len((await client.get("/v1/runs?state=failed&limit=50"))["items"])

    async def _record(self, *arguments: object) -> Any:
        async with self._recorder_turn:
            if self._recorder is None:
                command = [self.program("python"), "-m", INTERNALS, "record"]
                log = f"{self.traits.name}-record"
                process = self.run(command, self._environment(), log=log, cwd=REPOSITORY, piped=True)
                self._recorder = LineProcess(process)
            return await self._recorder.send(*arguments)

    async def metric_run(self, client: HttpClient) -> str:
        """Submit a job and claim its run, as a worker does."""
        await self._submit(client, 0, queue="metrics")
        return str(await self._record("claim"))

    async def log_points(self, client: HttpClient, run_id: str, first_step: int, count: int) -> None:
        """Write the points as a worker does, in one transaction."""
        del client
        await self._record("log", run_id, first_step, count)

    async def read_points(self, client: HttpClient, run_id: str) -> int:
        """Read the curve over HTTP."""
        return len((await client.get(f"/v1/runs/{run_id}/metrics?keys={METRIC}"))["curves"][0]["steps"])

    def _start_worker(self, command: list[str], **settings: str) -> None:
        environment = self._environment() | {"CELLGATE_SLOTS": str(SLOTS)} | settings
        log = f"{self.traits.name}-worker"
        self._worker = self.run(command, environment, log=log, cwd=REPOSITORY)

    def start_workers(self) -> None:
        """Start a worker whose trainer is a bare Python process."""
        self._real_trainer = False
        marks, result = str(self.settings.marks), str(self._attempt(self._finished_run) / "result.json")
        trainer = [str(self.settings.job_python), str(PROGRAMS / "stand_in_trainer.py"), marks, result]
        worker = [self.program("python"), "-m", INTERNALS, "worker"]
        self._start_worker([*worker, *trainer], CELLGATE_WARM_START="false")

    def tune_workers(self) -> None:
        """Start a worker that really trains, from its fork server."""
        if self._worker is not None:
            self.end(self._worker)
        self._real_trainer = True
        self._start_worker([self.program("python"), "-m", "worker", "run"])

    def _attempt(self, run_id: str) -> Path:
        return self.live / "artifacts" / "runs" / run_id / "attempt-1"

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Submit a job; its start is marked by the stand-in, or by the first step of the real trainer."""
        seed = random.randrange(2**31)
        marks = self.settings.marks
        if not self._real_trainer:
            # The stand-in knows its seed, not the tag.
            (marks / tag).symlink_to(marks / f"cellgate-seed-{seed}")
        run_id = await self._submit(client, seed)
        if self._real_trainer:
            task = asyncio.create_task(self._mark_first_step(run_id, tag))
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)
        return run_id

    async def _mark_first_step(self, run_id: str, tag: str) -> None:
        events = self._attempt(run_id) / "events.jsonl"
        while (done_at := _first_step_at(events)) is None:
            await asyncio.sleep(0.004)
        (self.settings.marks / tag).write_text(f"{done_at!r}\n")

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Return whether the run has ended."""
        return (await client.get(f"/v1/runs/{run_id}/status"))["state"] in ENDED


def _generated(target: Path) -> list[str]:
    return ["--functions", str(FUNCTIONS), "--seed", "3", "--out", str(target)]


def _first_step_at(events: Path) -> float | None:
    """Return when the trainer had done its first step, by its own clock; None if it has not."""
    try:
        lines = events.read_text().split("\n")[:-1]
    except OSError:
        return None
    for event in map(json.loads, lines):
        if event["kind"] == "metric" and event.get("step") == 1:
            return float(event["t"])
    return None
