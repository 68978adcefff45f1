"""All limits, one after another, each on a machine as quiet as it gets."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bench.peers.limits import broker, files, http_servers, postgres, sqlite, starts
from bench.peers.noise import QuietGate, others_cores, read_cpu
from bench.peers.server_peer import Environment

QUIET_BUDGET_S = 900.0


async def measure_limits(environment: Environment) -> dict[str, Any]:
    """Return the limits by name, as JSON values; `others_cpu_cores` says how disturbed each part was."""
    settings = environment.settings
    gate = QuietGate(QUIET_BUDGET_S * settings.share)
    folder = settings.live("limits")
    folder.mkdir(parents=True, exist_ok=True)
    settings.marks.mkdir(parents=True, exist_ok=True)
    servers = await http_servers.measure(environment, gate)
    results: dict[str, Any] = {name: asdict(result) for name, result in servers.items()}
    seconds = 3.0 * settings.share
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "sqlite": lambda: sqlite.measure(folder, seconds),
        "postgres": lambda: postgres.measure(environment.servers, settings.postgres_port, seconds),
        "redis": lambda: broker.measure(environment.servers, settings),
        "starts": lambda: starts.measure(settings),
        "files": lambda: files.measure(folder, settings),
    }
    for name, part in parts.items():
        await gate.wait()
        begin = read_cpu()
        result = await asyncio.to_thread(part)
        results[name] = result | {"others_cpu_cores": others_cores(begin, read_cpu())}
    return results
