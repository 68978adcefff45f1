"""What a run takes of its machine becomes curves, and changes nothing else."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.events import EventKind
from trainers.engine import resources
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.inference import infer
from trainers.engine.resources import CPU, EVERY_S, GPU, GPU_MEMORY, MEMORY, POINTS, ProcessSampler, SampledEvents
from trainers.run_cell import run_cell

HOURS_S = 36_000


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def sampled(
    folder: Path, clock: Clock, measure: Callable[[], Mapping[str, float]] = lambda: {MEMORY: 5.0}
) -> SampledEvents:
    return SampledEvents(folder / "events.jsonl", measure=measure, seconds=clock)


def test_a_sample_stands_before_the_event_at_which_it_was_due_and_tells_the_seconds_at_work(tmp_path: Path) -> None:
    clock = Clock()
    with sampled(tmp_path, clock) as events:
        events.write(EventKind.STARTED)
        clock.now += EVERY_S - 0.1
        events.write(EventKind.PROGRESS, done=1)
        clock.now += 2.2
        events.write(EventKind.FINISHED, result="result.json")

    written = lines(tmp_path / "events.jsonl")

    assert [one["kind"] for one in written] == ["started", "progress", "metric", "finished"]
    assert [one["n"] for one in written] == [1, 2, 3, 4]
    assert (written[2]["step"], written[2]["values"]) == (7, {MEMORY: 5.0})


def test_a_run_that_writes_nothing_is_not_sampled_either(tmp_path: Path) -> None:
    clock = Clock()
    with sampled(tmp_path, clock):
        clock.now += HOURS_S

    assert lines(tmp_path / "events.jsonl") == []


def test_a_long_run_has_some_hundreds_of_samples(tmp_path: Path) -> None:
    clock = Clock()
    with sampled(tmp_path, clock) as events:
        for _ in range(HOURS_S):
            clock.now += 1
            events.tick()

    steps = [one["step"] for one in lines(tmp_path / "events.jsonl")]

    assert POINTS < len(steps) < 5 * POINTS
    assert steps == sorted(set(steps))


def test_what_the_system_does_not_tell_is_left_out_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: object) -> None:
        raise psutil.AccessDenied

    sampler = ProcessSampler()
    monkeypatch.setattr(psutil.Process, "memory_info", denied)
    clock = Clock()
    with sampled(tmp_path, clock, sampler.sample) as events:
        clock.now += EVERY_S
        events.write(EventKind.PROGRESS, done=1)

    assert [one["kind"] for one in lines(tmp_path / "events.jsonl")] == ["progress"]


def test_cpu_is_that_since_the_last_sample_and_memory_that_of_now() -> None:
    sampler = ProcessSampler()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass

    busy = sampler.sample()
    held = bytearray(64 << 20)
    held[::4096] = b"x" * len(held[::4096])
    holding = sampler.sample()

    assert busy[CPU] > 5
    assert holding[MEMORY] - busy[MEMORY] > 32 << 20
    assert set(busy) == {CPU, MEMORY}
    assert len(held) == 64 << 20


def test_where_a_gpu_computes_its_share_and_memory_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(is_initialized=lambda: True, memory_reserved=lambda: 7, utilization=lambda: 80)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))

    found = ProcessSampler().sample()

    assert (found[GPU], found[GPU_MEMORY]) == (80.0, 7.0)


def test_a_driver_that_does_not_tell_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse() -> int:
        asked.append(1)
        raise ModuleNotFoundError("pynvml")

    cuda = SimpleNamespace(is_initialized=lambda: True, memory_reserved=lambda: 7, utilization=refuse)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    sampler = ProcessSampler()

    assert [set(sampler.sample()) for _ in range(2)] == [{CPU, MEMORY, GPU_MEMORY}] * 2
    assert asked == [1]


def test_a_long_prediction_is_sampled_between_its_batches(
    toy: type[Any], new_context: Callable[..., RunContext], hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, ticks = new_context(), []
    monkeypatch.setattr(context.events, "tick", lambda: ticks.append(1))

    infer(toy(), np.arange(30), hardware=hardware, context=context)

    assert len(ticks) == 3


def test_a_run_of_any_cell_is_sampled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "EVERY_S", 0.0)
    (tmp_path / "spec.json").write_text("{}")

    run_cell(Cell.PREPARE, spec_path=tmp_path / "spec.json", out=tmp_path / "out", resume=None)

    written = lines(tmp_path / "out" / "events.jsonl")
    assert [one["kind"] for one in written] == ["metric", "failed"]
    assert written[0]["values"].keys() >= {CPU, MEMORY}
