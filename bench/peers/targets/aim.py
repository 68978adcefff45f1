"""Aim: its tracking server for writes, its web server for reads."""

import asyncio
import socket
import subprocess

from bench.peers.http_client import HttpClient
from bench.peers.line_process import LineProcess
from bench.peers.peer import Row, Traits
from bench.peers.seeding import wait_until_ready
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS

TRACKING_PORT = 5650
# Each takes Aim's SDK tens of milliseconds.
MOST_SEEDED = 1_000
SEEDED_AT_ONCE = 50
OPEN_RUNS = 3
LIKENESS = {
    Row.SUBMIT: "not like: no HTTP route creates runs; the SDK's Run() against `aim server`, one client only",
    Row.STATUS: "near: `aim up`, GET runs/{id}/info/",
    Row.LIST: "near: runs/search/run, limit 50, a binary stream, without a filter, over at most 1,000 runs",
    Row.METRICS: "near: the SDK's track(); what is read is thinned out by the server to about 500 points",
    Row.FOOTPRINT: "`aim server` and `aim up`",
}


class Aim(ServerPeer):
    """Aim; all writes go through one helper process with its SDK.

    Args:
        environment: Settings, processes, shared servers.
    """

    def __init__(self, environment: Environment) -> None:
        traits = Traits(
            name="aim",
            port=5651,
            distribution="aim",
            venv="aim",
            likeness=LIKENESS,
            rows=frozenset(Row) - {Row.EXECUTION},
            max_submits=60,
        )
        super().__init__(environment, traits)
        self._sdk: LineProcess | None = None
        # One helper, one request at a time.
        self._turn = asyncio.Lock()

    async def prepare(self) -> None:
        """Create the runs with the SDK."""
        if self.snapshot.is_dir():
            return
        self.empty_live()
        self.start()
        await wait_until_ready(self)
        left = min(MOST_SEEDED, self.settings.runs_present)
        while left > 0:
            await self._ask("create", min(left, SEEDED_AT_ONCE))
            left -= SEEDED_AT_ONCE
        self.stop()
        self.keep_snapshot()

    def start(self) -> None:
        """Start both servers."""
        aim = self.program("aim")
        if not (self.live / ".aim").is_dir():
            subprocess.run([aim, "init", "-y"], cwd=self.live, check=True, capture_output=True)
        where = ["--repo", str(self.live), "-h", "127.0.0.1", "-y"]
        self.run([aim, "server", *where, "-p", str(TRACKING_PORT)])
        self.run([aim, "up", *where, "-p", str(self.traits.port)], log="aim-up")

    def stop(self) -> None:
        """End both servers and the helper."""
        super().stop()
        self._sdk = None
        self._turn = asyncio.Lock()

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether both servers answer."""
        await client.send("GET", "/api/projects/")
        socket.create_connection(("127.0.0.1", TRACKING_PORT), 1).close()
        return True

    async def _ask(self, command: str, count: int = 0, first_step: int = 0) -> str:
        async with self._turn:
            if self._sdk is None:
                helper = [self.program("python"), str(PROGRAMS / "aim_client.py"), f"aim://127.0.0.1:{TRACKING_PORT}"]
                self._sdk = LineProcess(self.run(helper, log="aim-client", piped=True))
            return str(await self._sdk.send(command, count, first_step))

    async def warm_up(self, client: HttpClient) -> None:
        """Create a few runs."""
        del client
        await self._ask("create", 3)

    async def submit(self, client: HttpClient, number: int) -> str:
        """Create a run with the SDK."""
        del client, number
        return await self._ask("create", 1)

    async def running(self, client: HttpClient, count: int) -> list[str]:
        """Open a few runs; each is named several times."""
        del client
        opened = [await self._ask("open") for _ in range(OPEN_RUNS)]
        await asyncio.sleep(1)
        return [opened[number % OPEN_RUNS] for number in range(count)]

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return whether the run is active."""
        return str((await client.get(f"/api/runs/{run_id}/info/"))["props"]["active"])

    async def list_failed(self, client: HttpClient) -> int:
        """Search the runs; returns the length of the binary stream in bytes."""
        path = "/api/runs/search/run/?limit=50&exclude_traces=true&report_progress=false"
        return len(await client.send("GET", path))

    async def metric_run(self, client: HttpClient) -> str:
        """Open a run; the helper writes to the one that was opened last."""
        del client
        return await self._ask("open")

    async def log_points(self, client: HttpClient, run_id: str, first_step: int, count: int) -> None:
        """Track the points with the SDK, in the run that was opened last."""
        del client, run_id
        await self._ask("track", count, first_step)

    async def read_points(self, client: HttpClient, run_id: str) -> int:
        """Read the metric; Aim thins it out."""
        body = [{"name": "loss", "context": {}}]
        answer = await client.post(f"/api/runs/{run_id}/metric/get-batch/", body)
        return len(answer[0]["values"]) if answer else 0
