"""`python -m worker health`: whether the worker or reconciler on this host is well, by the file that it keeps writing.

It opens no connection: asked every few seconds on every host, it costs a Python process and no more.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from cellgate.contract.command_examples import EXAMPLES
from cellgate.contract.exit_codes import UsageError
from service.settings import load_settings
from worker.pulse import PulseRecord, Role, pulse_folder, read_pulses

UNHEALTHY = 1
BAD_SETTINGS = 2
NOT_RUNNING = 4
# Beats that may be missed: a busy machine delays one or two.
MISSED_BEATS = 3.0
AT_LEAST_S = 15.0


def check_health(arguments: Sequence[str]) -> int:
    """Print how the processes of a role are on this host, and return the exit code.

    0: all are well, or degraded at most. 1: at least one is not. 2: a setting is wrong. 4: none runs here.
    """
    parser = argparse.ArgumentParser(
        prog="python -m worker health", description=__doc__, epilog=f"Example: {EXAMPLES['health'][0]}"
    )
    parser.add_argument("--role", choices=["worker", "reconciler"], default="worker", help="which process to ask for")
    parser.add_argument(
        "--live",
        action="store_true",
        help="ask whether it lives, and no more: for probes whose failure kills it, which mends no database",
    )
    options = parser.parse_args(arguments)
    try:
        data_dir = load_settings().data_dir
    except UsageError as error:
        print(f"settings: {error}", file=sys.stderr)
        return BAD_SETTINGS
    role: Role = options.role
    records = [record for _path, record in read_pulses(data_dir, role=role, living=True)]
    if not records:
        print(f"no {role} runs on this host with this data folder: none has a file in {pulse_folder(data_dir)}")
        return NOT_RUNNING
    problems = {record.id: problems_of(record, now=time.monotonic(), live_only=options.live) for record in records}
    for record in records:
        print(f"{record.id}: {_line(record, problems[record.id])}")
    return UNHEALTHY if any(problems.values()) else 0


def problems_of(record: PulseRecord, *, now: float, live_only: bool) -> list[str]:
    """Return what is wrong with a process.

    Args:
        record: What it wrote last.
        now: Of `time.monotonic()`.
        live_only: Judge its heartbeat alone.
    """
    patience_s = max(MISSED_BEATS * record.every_s, AT_LEAST_S)
    found = []
    if now - record.at > patience_s:
        found.append(f"its last heartbeat is {now - record.at:.0f} s old: it hangs, or its folder cannot be written to")
    if live_only:
        return found
    if now - record.database_at > patience_s:
        found.append(f"it has not reached the database for {now - record.database_at:.0f} s")
    if record.fork_server is False:
        found.append("its fork server is dead: trainers start cold")
    return found


def _line(record: PulseRecord, problems: Sequence[str]) -> str:
    if problems:
        return "; ".join(problems)
    return "ok" if record.broker is None else f"degraded: no notifications: {record.broker}"
