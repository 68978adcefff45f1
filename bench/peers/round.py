"""One round of one peer: from its snapshot through all rows to its end."""

import asyncio
import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from bench.peers.measurements.execution import ExecutionMeter, ExecutionTimings
from bench.peers.measurements.footprint import Footprint, measure_footprint
from bench.peers.measurements.requests import (
    ListTimings,
    MetricTimings,
    RequestMeter,
    StatusTimings,
    SubmitTimings,
)
from bench.peers.noise import QuietGate, others_cores, read_cpu
from bench.peers.peer import Peer, Row
from bench.peers.processes import ProcessTable
from bench.peers.settings import BenchSettings
from bench.peers.timing import ERROR_LENGTH

QUIET_BUDGET_S = 60.0
QUIET_BEFORE_S = 20.0


@dataclass(kw_only=True)
class RoundResult:
    """All that one round measured; None where a row was not requested, is not supported or was not reached.

    Args:
        others_cpu_cores: Cores that other programs kept busy on average; None if not known.
        failed: Why the round ended early.
    """

    peer: str
    version: str
    number: int
    started_at: str
    load_1min: float
    likeness: Mapping[Row, str]
    footprint: Footprint | None = None
    status: StatusTimings | None = None
    listing: ListTimings | None = None
    metrics: MetricTimings | None = None
    submit: SubmitTimings | None = None
    execution: ExecutionTimings | None = None
    tuned_execution: ExecutionTimings | None = None
    others_cpu_cores: float | None = None
    took_s: float = 0.0
    failed: str | None = None


async def measure_round(peer: Peer, processes: ProcessTable, settings: BenchSettings, number: int) -> RoundResult:
    """Measure a prepared peer once; a failure ends the round early and is part of the result."""
    result = RoundResult(
        peer=peer.traits.name,
        version=peer.version(),
        number=number,
        started_at=time.strftime("%Y-%m-%d %H:%M:%S"),
        load_1min=os.getloadavg()[0],
        likeness=peer.traits.likeness,
    )
    begun, gate = time.monotonic(), QuietGate(QUIET_BUDGET_S * settings.share)
    cpu = read_cpu()
    try:
        peer.restore()
        await gate.wait(QUIET_BEFORE_S)
        cpu = read_cpu()
        await _measure_rows(result, peer, processes, settings, gate)
    except Exception as error:  # noqa: BLE001 - one peer's failure must not end the others' rounds
        traceback.print_exc()
        result.failed = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
    finally:
        result.others_cpu_cores = others_cores(cpu, read_cpu())
        peer.stop()
    result.took_s = time.monotonic() - begun
    return result


async def _measure_rows(
    result: RoundResult, peer: Peer, processes: ProcessTable, settings: BenchSettings, gate: QuietGate
) -> None:
    rows = peer.traits.rows & settings.rows
    # Without an environment of its own a peer runs from the harness's, whose size is no measure.
    own = settings.venv(peer.traits.venv)
    venv = own if own.is_dir() else None
    result.footprint = await measure_footprint(peer, processes, venv, settings.share)
    client = peer.client()
    await peer.warm_up(client)
    client.close()
    meter = RequestMeter(peer, processes, settings, gate)
    # Submits come last of the requests: they make the server fuller than its peers.
    if Row.STATUS in rows:
        result.status = await meter.status()
    if Row.LIST in rows:
        result.listing = await meter.listing()
    if Row.METRICS in rows:
        result.metrics = await meter.metrics()
    if Row.SUBMIT in rows:
        result.submit = await meter.submit()
    result.footprint.loaded_memory = processes.memory(peer.traits.tags)
    if Row.EXECUTION in rows:
        await _measure_execution(result, result.footprint, peer, processes, settings)


async def _measure_execution(
    result: RoundResult, footprint: Footprint, peer: Peer, processes: ProcessTable, settings: BenchSettings
) -> None:
    meter = ExecutionMeter(peer, settings)
    peer.start_workers()
    await asyncio.sleep(peer.traits.worker_settle_s)
    footprint.memory_with_workers = processes.memory(peer.traits.tags)
    result.execution = await meter.measure()
    if peer.traits.has_tuned_workers:
        peer.tune_workers()
        await asyncio.sleep(peer.traits.worker_settle_s)
        result.tuned_execution = await meter.measure()
