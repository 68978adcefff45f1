"""The main job on one machine: generated C functions to a decision, over HTTP, through Celery, with real trainers.

Starts the service, prepares the generated set, submits `demo.yaml`, watches it, prints what came out and stops.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "var" / "demo"
CELLGATE = (sys.executable, "-m", "cellgate")
FUNCTIONS = 6_000
SEED = 7
READY_TIMEOUT_S = 120
# Exit codes of `cellgate watch`: something is shipped, it is but borderline, improve.
DECIDED = frozenset({0, 20, 21})


def main() -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the service running")
    parser.add_argument("--functions", type=int, default=FUNCTIONS)
    arguments = parser.parse_args()
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    data = FOLDER / "data" / "demo.jsonl"
    cellgate("generate", "--functions", str(arguments.functions), "--seed", str(SEED), "--out", str(data))
    with service(keep=arguments.keep) as url:
        cellgate("dataset", "add", str(data), "--name", "demo", "--wait", url=url)
        experiment = submit(url)
        watched = cellgate("watch", experiment, url=url, check=False)
        cellgate("gate", experiment, url=url, check=False)
        cellgate("decision", experiment, url=url, check=False)
        files = [str(FOLDER / name) for name in ("report.html", "report.json")]
        cellgate("report", experiment, "--html", files[0], "--out", files[1], url=url)
        print(
            f"\nPage:   {url}/#/experiments/{experiment}"
            + ("" if arguments.keep else "  (make demo KEEP=1 leaves it up)")
        )
        print(f"Report: {(FOLDER / 'report.html').relative_to(REPOSITORY)}, with every run's result in report.json")
        print(f"Took {(time.monotonic() - started) / 60:.1f} minutes.")
    # Every decision is an end of the demo: how sure it is depends on the machine.
    return 0 if watched in DECIDED else watched


def cellgate(*arguments: str, url: str | None = None, check: bool = True) -> int:
    """Run the command line, against the demo's service where a URL is given; return its exit code."""
    server = [] if url is None else ["--server", url]
    return subprocess.run([*CELLGATE, *server, *arguments], cwd=REPOSITORY, check=check).returncode


def submit(url: str) -> str:
    """Submit the demo's experiment and return its id."""
    command = [*CELLGATE, "--server", url, "submit", "examples/demo.yaml", "--dataset", "demo", "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    return str(json.loads(done.stdout)["id"])


@contextmanager
def service(*, keep: bool) -> Iterator[str]:
    """Run the whole service on a free port and yield its URL; stop it at the end unless `keep`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [*CELLGATE, "up", "--port", str(port), "--data-dir", str(FOLDER)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "service.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_ready(url, process)
        yield url
    except BaseException:
        keep = False
        print(f"The service's log is at {FOLDER / 'service.log'}", file=sys.stderr)
        raise
    finally:
        if keep:
            print(f"Left running as process {process.pid}: stop it with  kill {process.pid}")
        else:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(60)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Return when the service answers that it is ready.

    Raises:
        RuntimeError: It ended, or did not get ready in time.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with exit code {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the service was not ready after {READY_TIMEOUT_S} s")


if __name__ == "__main__":
    sys.exit(main())
