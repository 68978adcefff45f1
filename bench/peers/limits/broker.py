"""How long a message takes through Redis to another process and back."""

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import redis

from bench.peers.settings import BenchSettings
from bench.peers.shared_servers import SharedServers
from bench.peers.timing import latencies_of

MESSAGE = "x" * 200
THERE, BACK, END = "limit-there", "limit-back", "end"
ROUND_TRIPS, PUSHES = 3_000, 5_000


def measure(servers: SharedServers, settings: BenchSettings) -> dict[str, Any]:
    """Return the limits."""
    servers.start_redis()
    echo = multiprocessing.get_context("spawn").Process(target=_echo, args=(settings.redis_port,), daemon=True)
    echo.start()
    with redis.Redis(port=settings.redis_port) as connection:

        def round_trip() -> None:
            connection.lpush(THERE, MESSAGE)
            connection.brpop([BACK])

        round_trip()  # The other process may not have started yet.
        trips = _timed(round_trip, settings.scaled(ROUND_TRIPS))
        connection.lpush(THERE, END)
        pushes = _timed(lambda: connection.lpush("limit-pushed", MESSAGE), settings.scaled(PUSHES))
        connection.delete("limit-pushed")
    echo.join()
    return {"round trip through another process": trips, "push": pushes}


def _timed(work: Callable[[], object], times: int) -> dict[str, Any] | None:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    latencies = latencies_of(took)
    return None if latencies is None else asdict(latencies) | {"per_s": times / sum(took)}


def _echo(port: int) -> None:
    with redis.Redis(port=port) as connection:
        while (popped := connection.brpop([THERE])) and popped[1] != END.encode():
            connection.lpush(BACK, popped[1])
