"""What clients that mean harm cost the API: `python -m bench.hostile_clients [--attack NAME …]`.

Starts the API as a process of its own, over SQLite and with at most 1,024 open files, lets one kind of client after the
other at it, each at a fresh API, and prints a Markdown table: the API's memory before and at most, how long `/livez`
took beside it (a new connection each time), and how many of the attack's connections were still open at its end.
`--seconds 6 --share 0.1` lets a tenth of the clients come for so long.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from bench.hostile_attacks import ATTACKS, Attack, pollers
from service.store.database import migrate
from tests.faults.deployment import free_port

FILES = 1024
# Of the API that well-meant clients wait for, more of them than that.
FILES_FOR_POLLERS = 4096
LOOK_EVERY_S = 0.05
LIVEZ_TIMEOUT_S = 60.0
START_TIMEOUT_S = 180.0
MIB = 1 << 20


@contextmanager
def api(folder: Path, files: int = FILES) -> Iterator[tuple[int, psutil.Process]]:
    """Yield port and process of a fresh API."""
    migrate(f"sqlite:///{folder / 'cellgate.db'}")
    port = free_port()
    settings = {"DATA_DIR": folder, "REDIS_URL": "redis://127.0.0.1:1/0", "PORT": port, "LOG_FORMAT": "json"}
    environment = os.environ | {f"CELLGATE_{name}": str(value) for name, value in settings.items()}

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    command = [sys.executable, "-m", "service", "serve"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, preexec_fn=limit)
    try:
        _wait_until_it_answers(port)
        yield port, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False)
            return
        time.sleep(0.1)
    raise TimeoutError("the API did not start")


def probe(port: int, seconds: float) -> None:
    """Print how long each request for `/livez` took, in milliseconds; infinity where it was not answered with 200.

    It runs as a process of its own: beside the attack's clients it would measure them.
    """
    took, ends = [], time.perf_counter() + seconds
    while (begun := time.perf_counter()) < ends:
        found = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=LIVEZ_TIMEOUT_S) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while block := connection.recv(4096):
                found += block
        took.append(1000 * (time.perf_counter() - begun) if found.startswith(b"HTTP/1.1 200") else float("inf"))
        time.sleep(LOOK_EVERY_S)
    print(json.dumps(took))


async def _memory(process: psutil.Process, sizes: list[int]) -> None:
    while True:
        sizes.append(process.memory_info().rss)
        await asyncio.sleep(LOOK_EVERY_S)


async def measure(name: str, port: int, process: psutil.Process, *, seconds: float, share: float) -> str:
    """Return the row of an attack that lasts so long, by a share of its clients."""
    loop = asyncio.get_running_loop()
    before, sizes = process.memory_info().rss, [0]
    cpu = sum(process.cpu_times()[:2])
    attack = Attack(port=port, ends=loop.time() + seconds, share=share)
    watching = asyncio.create_task(_memory(process, sizes))
    probing = ("-m", "bench.hostile_clients", "--probe", str(port), "--seconds", str(seconds))
    probed = await asyncio.create_subprocess_exec(sys.executable, *probing, stdout=asyncio.subprocess.PIPE)
    with suppress(OSError):
        await ATTACKS[name](attack)
    took = json.loads((await probed.communicate())[0])
    watching.cancel()
    still_open = attack.open()
    for _, writer in attack.held:
        writer.transport.abort()
    cpu = sum(process.cpu_times()[:2]) - cpu
    known = [value for value in took if value < float("inf")]
    shown = f"{statistics.median(known):.0f} | {max(known):.0f}" if known else "none | none"
    largest = f"{max(attack.answered) / 1e3:.1f} kB" if attack.answered else ""
    return (
        f"| {name} | {before / MIB:.0f} → {max(sizes) / MIB:.0f} | {shown} | {len(took) - len(known)} of {len(took)} "
        f"| {still_open} of {len(attack.held)} | {largest} | {cpu:.1f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attack", action="append", choices=ATTACKS, help="default: all")
    parser.add_argument("--probe", type=int, metavar="PORT", help="print how long /livez takes there")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each attack (default: 15)")
    parser.add_argument("--share", type=float, default=1.0, help="of the clients that come (default: 1)")
    given = parser.parse_args()
    if given.probe:
        probe(given.probe, given.seconds)
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    print("| attack | memory, MiB | /livez p50, ms | longest | unanswered | still open | largest answer | CPU, s |")
    print("|---|---|---|---|---|---|---|---|")
    for name in given.attack or ATTACKS:
        files = FILES_FOR_POLLERS if name == pollers.__name__ else FILES
        with (
            tempfile.TemporaryDirectory(prefix="cellgate-bench-") as folder,
            api(Path(folder), files) as (port, process),
        ):
            print(asyncio.run(measure(name, port, process, seconds=given.seconds, share=given.share)), flush=True)


if __name__ == "__main__":
    main()
