"""A job that MLflow's own job runner executes."""

import os
import subprocess

from mlflow.server.jobs import job  # type: ignore[import-not-found]  # installed in the peer's environment alone


@job(name="bench_trivial", max_workers=2)  # type: ignore[untyped-decorator]  # MLflow is not there when this is checked
def bench_trivial(tag: str) -> str:
    """Run the trivial job."""
    subprocess.run([os.environ["PEERS_JOB_PYTHON"], os.environ["PEERS_JOB"], tag], check=True)
    return "ok"
