"""How fast PostgreSQL commits and reads, from one client and from eight."""

import multiprocessing
import time
from dataclasses import asdict
from typing import Any

import psycopg

from bench.peers.shared_servers import SharedServers
from bench.peers.timing import latencies_of

WRITERS = 8
READS = 2_000
SPEC = "{}" * 40
Connection = psycopg.Connection[Any]


def measure(servers: SharedServers, port: int, seconds: float) -> dict[str, Any]:
    """Return the limits.

    Args:
        servers: To start it.
        port: Of it.
        seconds: For each kind of insert.
    """
    servers.start_postgres()
    address = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS job")
        connection.execute("CREATE TABLE job (id text PRIMARY KEY, spec text, state text, at float8)")
        took = _inserts(connection, "a", seconds)
        connection.execute("SET synchronous_commit = off")
        asynchronous = _inserts(connection, "b", seconds)
        with multiprocessing.get_context("spawn").Pool(WRITERS) as writers:
            tasks = [(address, f"c{number}", seconds) for number in range(WRITERS)]
            together = sum(writers.starmap(_insert_alone, tasks)) / seconds
        reads = latencies_of([_read(connection, f"a{number % len(took):030d}") for number in range(READS)])
        connection.execute("DROP TABLE job")
    return {
        "insert and commit": _summary(took),
        "insert and commit, synchronous_commit off": _summary(asynchronous),
        f"insert and commit from {WRITERS} processes, per s": together,
        "select by id": None if reads is None else asdict(reads),
    }


def _summary(took: list[float]) -> dict[str, Any] | None:
    latencies = latencies_of(took)
    return None if latencies is None else asdict(latencies) | {"per_s": len(took) / sum(took)}


def _inserts(connection: Connection, prefix: str, seconds: float) -> list[float]:
    took: list[float] = []
    deadline = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < deadline:
        values = (f"{prefix}{len(took):030d}", SPEC, "queued", begun)
        connection.execute("INSERT INTO job VALUES (%s, %s, %s, %s)", values)
        took.append(time.perf_counter() - begun)
    return took


def _insert_alone(address: str, prefix: str, seconds: float) -> int:
    with psycopg.connect(address, autocommit=True) as connection:
        return len(_inserts(connection, prefix, seconds))


def _read(connection: Connection, job: str) -> float:
    begun = time.perf_counter()
    connection.execute("SELECT state FROM job WHERE id = %s", (job,)).fetchone()
    return time.perf_counter() - begun
