"""Sends thousands of generated requests, valid and invalid, to every operation of the OpenAPI document.

    python -m tests.contract.fuzz --examples 100 --seed 0

Runs schemathesis (examples, coverage, fuzzing, stateful) against the real API on a free port, over a database with a
finished experiment; exits with 0 when it found nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import select

from service.store.versions import TABLES
from tests.live_server import LiveServer, run_live_server

PHASES = "examples,coverage,fuzzing,stateful"
TOKEN = "a token of the contract test, long enough"
# Streams end with their run, and nobody works on the runs that the requests make.
STREAMS = r"/stream$"


def fuzz(*, examples: int, seed: int, phases: str = PHASES, max_time_s: int | None = None) -> int:
    """Return schemathesis' exit code: 0 when every response matched the document.

    Args:
        examples: Generated requests for each operation and phase.
        phases: Some of `PHASES`, separated by commas.
        max_time_s: Go on with fuzzing and scenarios for so long; None: until each has had its examples.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cellgate-contract-") as folder,
        run_live_server(Path(folder), token=TOKEN) as deployment,
    ):
        dataset = deployment.dataset()
        deployment.trainers().work()
        deployment.experiment(dataset, "finished")
        deployment.trainers().work()
        deployment.experiment(dataset, "queued")
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{deployment.url}/openapi.json",
            *("--header", f"Authorization: Bearer {TOKEN}"),
            *("--max-examples", str(examples)),
            *("--seed", str(seed)),
            *("--phases", phases),
            *(() if max_time_s is None else ("--max-time", str(max_time_s))),
            *("--checks", "all"),
            # What can be read but not done is refused as invalid_spec: our own check tells it from invalid_request.
            # A new experiment has no decision: that is 404, as documented, until one is taken.
            *("--exclude-checks", "positive_data_acceptance,ensure_resource_availability"),
            *("--exclude-path-regex", STREAMS),
            *("--request-timeout", "70"),
            "--continue-on-failure",
        ]
        repository = Path(__file__).parents[2]
        environment = os.environ | {
            "SCHEMATHESIS_HOOKS": "tests.contract.checks",
            "PYTHONPATH": str(repository),
            "NO_COLOR": "1",
            "CELLGATE_CONTRACT_IDS": json.dumps(_ids(deployment)),
        }
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def _ids(deployment: LiveServer) -> dict[str, list[str]]:
    with deployment.database.read() as session:
        return {prefix: sorted(session.scalars(select(table.id)))[-6:] for prefix, table in TABLES.items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=100, help="generated requests for each operation and phase")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phases", default=PHASES, help="some of them, separated by commas")
    parser.add_argument("--max-time", type=int, help="seconds for which fuzzing and scenarios go on")
    recorded = parser.parse_args()
    sys.exit(fuzz(examples=recorded.examples, seed=recorded.seed, phases=recorded.phases, max_time_s=recorded.max_time))


if __name__ == "__main__":
    main()
