"""Pre-flight: everything that can be known before a run is worth its time, all problems at once.

The data set is checked as a whole; then each model takes one real batch through every stage of its training.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import psutil

from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.environment import describe_environment
from trainers.engine.hardware import Hardware, find_hardware_problems, set_up_hardware
from trainers.engine.memory import peak_memory
from trainers.engine.result_file import write_result
from trainers.errors import DataError, PreflightError, Problem, TrainerError
from trainers.results import SCHEMA_VERSION, Check, RunResult
from trainers.specs import Device, GnnSpec, Precision, PreflightSpec, Split, TransformerSpec
from trainers.trial import try_gnn, try_transformer

# With fewer, the 95 % interval of F1 is wider than ±0.04.
ENOUGH_POSITIVES = 100
LOW_MEMORY_BYTES = 1 << 30
Verdict = Literal["pass", "warn", "fail"]


def run(spec: PreflightSpec, context: RunContext) -> RunResult:
    """Check the data set and try every model; leave all checks in the result.

    Raises:
        DataError: There is no data set to check.
        PreflightError: At least one check failed; the result is written all the same.
    """
    with context.phase("dataset"):
        dataset = Dataset.open(spec.dataset)
        checks = list(check_dataset(dataset, spec.dataset))
        checks += check_machine(context.out, minimum_free_bytes=spec.minimum_free_bytes)
        checks += check_hardware(spec)
    # A device that is not there has failed its check; the trials tell what they can without it.
    device = Device.AUTO if spec.device is Device.CUDA else spec.device
    hardware = set_up_hardware(device=device, precision=Precision.AUTO, threads=spec.threads, seed=spec.seed)
    for name, trial in _trials(spec, dataset, context, hardware):
        with context.phase(name):
            checks += _guarded(name, trial)
    failed = [check for check in checks if check.verdict == "fail"]
    result = write_result(_result(spec, dataset, checks, context, hardware), context, succeeded=not failed)
    if failed:
        raise PreflightError(
            f"{len(failed)} of {len(checks)} checks failed: see each of them",
            [Problem(where=c.name, found=c.detail, expected="the check to pass", fix=c.fix) for c in failed],
        )
    return result


def check_dataset(dataset: Dataset, folder: Path) -> Iterator[Check]:
    """Check the data set's hashes, classes, groups and size."""
    try:
        Dataset.open(folder, verify=True)
        yield _check("dataset_hashes", "pass", f"all files are as they were prepared ({dataset.id})")
    except DataError as error:
        yield _check("dataset_hashes", "fail", str(error), fix="restore the folder, or prepare the data set again")
    for split in Split:
        labels = dataset.labels(dataset.rows(split))
        counts = f"{split.value}: {int((labels == 1).sum())} vulnerable, {int((labels == 0).sum())} not"
        both = set(labels.tolist()) == {0, 1}
        yield _check(
            f"classes_{split.value}",
            "pass" if both else "fail",
            counts,
            fix="" if both else "prepare with other fractions, or add functions of the missing class",
        )
    yield _check_groups(dataset)
    positives = int(dataset.labels(dataset.rows(Split.GATE)).sum())
    few = positives < ENOUGH_POSITIVES
    yield _check(
        "gate_positives",
        "warn" if few else "pass",
        f"{positives} vulnerable functions in gate" + (": F1 is uncertain by more than ±0.04" if few else ""),
        fix="give gate a larger fraction, or add functions" if few else "",
    )


def _check_groups(dataset: Dataset) -> Check:
    splits_of: dict[str, set[Split]] = {}
    for split in Split:
        for group in dataset.groups(dataset.rows(split)):
            splits_of.setdefault(group, set()).add(split)
    crossing = sorted(group for group, splits in splits_of.items() if len(splits) > 1)
    if crossing:
        detail = f"{len(crossing)} groups are in several splits, the first is {crossing[0]!r}"
        return _check("groups", "fail", detail, fix="prepare the data set again: this one leaks")
    return _check("groups", "pass", f"none of {len(splits_of)} groups is in two splits")


def check_machine(out: Path, *, minimum_free_bytes: int) -> Iterator[Check]:
    """Check disk and memory."""
    free = shutil.disk_usage(out).free
    enough = free >= minimum_free_bytes
    yield _check(
        "disk",
        "pass" if enough else "fail",
        f"{free / 1e9:.1f} GB free, {minimum_free_bytes / 1e9:.1f} GB wanted",
        fix="" if enough else "make room, or lower minimum_free_bytes",
    )
    available = psutil.virtual_memory().available
    low = available < LOW_MEMORY_BYTES
    yield _check(
        "memory",
        "warn" if low else "pass",
        f"{available / 1e9:.1f} GB available",
        fix="close other programs, or use a larger machine" if low else "",
    )


def check_hardware(spec: PreflightSpec) -> Iterator[Check]:
    """Check that this machine has the device and the precision that each model asks for."""
    for name, config in (("transformer", spec.transformer), ("gnn", spec.gnn)):
        if config is None:
            continue
        problems = find_hardware_problems(device=spec.device, precision=config.training.precision)
        yield _check(
            f"{name}_hardware",
            "fail" if problems else "pass",
            "; ".join(f"{p.where}: {p.found}" for p in problems) or "device and precision are there",
            fix="; ".join(p.fix for p in problems),
        )


def _trials(
    spec: PreflightSpec, dataset: Dataset, context: RunContext, hardware: Hardware
) -> Iterator[tuple[str, Callable[[], list[Check]]]]:
    shared = {"dataset": spec.dataset, "seed": spec.seed, "device": spec.device, "threads": spec.threads}
    if spec.transformer is not None:
        text = TransformerSpec(**shared, model=spec.transformer.model, training=spec.transformer.training)
        yield "transformer", lambda: try_transformer(text, dataset, context, hardware)
    if spec.gnn is not None:
        graph = GnnSpec(**shared, model=spec.gnn.model, training=spec.gnn.training)
        yield "gnn", lambda: try_gnn(graph, dataset, context, hardware)


def _guarded(name: str, trial: Callable[[], list[Check]]) -> list[Check]:
    """Return the trial's checks; whatever it stumbles over is one that failed."""
    try:
        return trial()
    except TrainerError as error:
        fix = "; ".join(problem.fix for problem in error.problems if problem.fix)
        return [_check(f"{name}_trial", "fail", str(error), fix=fix)]
    # To find what stops a training run is what this cell is for, so nothing that stops the trial may stop it.
    except Exception as error:  # noqa: BLE001
        return [_check(f"{name}_trial", "fail", f"{type(error).__name__}: {error}", fix="see the detail")]


def _check(name: str, verdict: Verdict, detail: str, *, fix: str = "") -> Check:
    return Check(name=name, verdict=verdict, detail=detail, fix=fix)


def _result(
    spec: PreflightSpec, dataset: Dataset, checks: list[Check], context: RunContext, hardware: Hardware
) -> RunResult:
    return RunResult(
        schema_version=SCHEMA_VERSION,
        cell="preflight",
        seed=spec.seed,
        spec_hash=context.spec_hash,
        dataset_id=dataset.id,
        started_at=context.started_at,
        timings_s=dict(context.timings_s),
        memory=peak_memory(hardware.device),
        environment=describe_environment(
            device=hardware.device_name, threads=hardware.threads, precision=hardware.precision.value
        ),
        warnings=[check.detail for check in checks if check.verdict == "warn"],
        artifacts={},
        checks=checks,
    )
