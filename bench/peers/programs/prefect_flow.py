"""A flow that Prefect's process worker executes."""

import os
import subprocess

from prefect import flow  # type: ignore[import-not-found]  # installed in the peer's environment alone


@flow  # type: ignore[untyped-decorator]  # Prefect is not there when this is checked
def train(tag: str = "x") -> None:
    """Run the trivial job."""
    subprocess.run([os.environ["PEERS_JOB_PYTHON"], os.environ["PEERS_JOB"], tag], check=True)
