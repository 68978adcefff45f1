"""Everything that is broken on purpose, and when."""

import random
import time
from collections.abc import Callable

from cellgate.contract.states import RunState
from service.store.tables import RunRow
from tests.faults import outages, process_faults
from tests.faults.deployment import Deployment
from tests.faults.workload import live_runs

# Breaks something, and returns whether the effect was seen.
Fault = Callable[[Deployment, random.Random], bool]
FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        process_faults.kill_trainer,
        process_faults.freeze_trainer,
        process_faults.hang_trainer,
        process_faults.cancel_deaf_trainer,
        process_faults.kill_fork_server,
        process_faults.kill_worker,
        process_faults.freeze_worker,
        process_faults.freeze_worker_beyond_its_lease,
        process_faults.freeze_reconcilers,
        process_faults.jump_clock,
        process_faults.start_twin,
        process_faults.restart_worker,
        process_faults.kill_api,
        process_faults.kill_reconciler,
        process_faults.cancel_run,
        process_faults.damage_checkpoint,
        process_faults.limit_files,
        outages.kill_broker,
        outages.flush_broker,
        outages.freeze_broker,
        outages.fail_over_broker,
        outages.fill_broker,
        outages.cut_broker_link,
        outages.cut_database_link,
        outages.cut_database,
        outages.restart_database,
        outages.exhaust_connections,
        outages.forge_notifications,
        outages.fill_disk,
        outages.fill_database_disk,
    )
}
# In which state a run is when the fault strikes; `saving`: a checkpoint was written just now.
PHASES: dict[str, Callable[[RunRow], bool]] = {
    "queued": lambda run: run.state == RunState.QUEUED,
    "claiming": lambda run: run.state == RunState.STARTING,
    "running": lambda run: run.state == RunState.RUNNING and run.phase == "train",
    "saving": lambda run: run.state == RunState.RUNNING and bool(run.steps_done) and run.steps_done % 5 == 0,
    "finishing": lambda run: run.state == RunState.RUNNING and run.phase in ("predict", "evaluate", "save"),
}
PHASE_TIMEOUT_S = 6.0


def possible_in(deployment: Deployment) -> list[str]:
    """Return the faults that this deployment can have: nobody connects to SQLite, and not everyone may mount a disk."""
    impossible = set()
    if not deployment.database_links:
        impossible |= {"cut_database_link", "exhaust_connections"}
    if not deployment.artifacts_disk.is_real:
        impossible |= {"fill_disk", "fill_database_disk"}
    return [name for name in FAULTS if name not in impossible]


def wait_for_phase(deployment: Deployment, phase: str) -> bool:
    """Wait until some run is in a phase; whether one was."""
    deadline = time.monotonic() + PHASE_TIMEOUT_S
    while time.monotonic() < deadline:
        deployment.look()
        if any(map(PHASES[phase], live_runs(deployment))):
            return True
        time.sleep(0.01)
    return False
