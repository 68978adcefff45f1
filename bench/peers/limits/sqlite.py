"""How fast SQLite commits and reads, in WAL mode."""

import sqlite3
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.peers.timing import latencies_of

BATCH = 1_000
READS = 2_000
SPEC = '{"model": "x", "lr": 0.1}' * 4


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Return the limits for both ways to write to disk."""
    results: dict[str, Any] = {}
    for synchronous in ("NORMAL", "FULL"):
        path = folder / f"{synchronous}.db"
        for file in folder.glob(f"{path.name}*"):
            file.unlink()
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {synchronous}")
            database.execute("CREATE TABLE job (id TEXT PRIMARY KEY, spec TEXT, state TEXT, at REAL)")
            results |= {f"{name}, {synchronous}": value for name, value in _measure(database, seconds).items()}
    return results


def _measure(database: sqlite3.Connection, seconds: float) -> dict[str, Any]:
    took = _inserts(database, seconds)
    inserts = latencies_of(took)
    begun = time.perf_counter()
    database.execute("BEGIN")
    rows = [(f"b{number:031d}", SPEC, "m", 0.1) for number in range(BATCH)]
    database.executemany("INSERT INTO job VALUES (?, ?, ?, ?)", rows)
    database.execute("COMMIT")
    batch_ms = 1000 * (time.perf_counter() - begun)
    reads = latencies_of([_read(database, f"{number % len(took):032d}") for number in range(READS)])
    return {
        "insert and commit": None if inserts is None else asdict(inserts) | {"per_s": len(took) / sum(took)},
        f"{BATCH} rows in one commit, ms": batch_ms,
        "select by id": None if reads is None else asdict(reads),
    }


def _inserts(database: sqlite3.Connection, seconds: float) -> list[float]:
    took: list[float] = []
    deadline = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < deadline:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO job VALUES (?, ?, ?, ?)", (f"{len(took):032d}", SPEC, "queued", begun))
        database.execute("COMMIT")
        took.append(time.perf_counter() - begun)
    return took


def _read(database: sqlite3.Connection, job: str) -> float:
    begun = time.perf_counter()
    database.execute("SELECT state FROM job WHERE id = ?", (job,)).fetchone()
    return time.perf_counter() - begun
