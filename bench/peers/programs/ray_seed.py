"""Writes finished jobs into the store of a running Ray head, which has no API for it: `ray_seed.py HOST:PORT`."""

import asyncio
import os
import sys

from ray._raylet import GcsClient  # type: ignore[import-not-found]  # installed in the peer's environment alone
from ray.dashboard.modules.job.common import (  # type: ignore[import-not-found]  # in the peer's environment
    JobInfo,
    JobInfoStorageClient,
    JobStatus,
)

FIRST_MS = 1_700_000_000_000


async def main() -> None:
    """Write one job a second of made-up time; one of ten has failed."""
    store = JobInfoStorageClient(GcsClient(address=sys.argv[1]))
    for number in range(int(os.environ["PEERS_RUNS_PRESENT"])):
        started_ms = FIRST_MS + 1000 * number
        info = JobInfo(
            status=JobStatus.FAILED if number % 10 == 3 else JobStatus.SUCCEEDED,
            entrypoint="python train.py --lr 0.1",
            start_time=started_ms,
            end_time=started_ms + 500,
            message="Job finished.",
        )
        await store.put_info(f"raysubmit_seed{number:06d}", info)


asyncio.run(main())
