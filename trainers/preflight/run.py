"""Pre-flight: everything that can be known before a run is worth its time, all problems at once.

The data set is checked as a whole; then each model takes one real batch through every stage of its training.
"""

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from cellgate.contract.configs import FusionConfig, GnnConfig, Precision, TransformerConfig
from cellgate.contract.errors import DataError, InputError, PreflightError
from cellgate.contract.results import Check, PreflightVerdict, RunResult
from cellgate.contract.specs import Device, FusionSpec, GnnSpec, PreflightSpec, TransformerSpec
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.hardware import find_hardware_problems, set_up_hardware
from trainers.engine.memory import peak_memory, resident_bytes
from trainers.engine.progress import StepProgress
from trainers.engine.run_folder import result_header, write_result
from trainers.preflight.checks import CheckCollector
from trainers.preflight.dataset_checks import check_dataset
from trainers.preflight.resources import engine_bytes

if TYPE_CHECKING:
    from trainers.preflight.smoke_test import SmokeTestContext

LOW_MEMORY_BYTES = 1 << 30


def run(spec: PreflightSpec, context: RunContext) -> RunResult:
    """Check the data set and try every model; leave all checks in the result.

    Raises:
        DataError: There is no data set to check; what else is wrong is in it too.
        PreflightError: At least one check failed; the result is written all the same.
    """
    checks = CheckCollector()
    with context.phase("dataset"):
        checks.guard("disk", lambda: _check_disk(context.out, spec.minimum_free_bytes, checks))
        checks.guard("memory", lambda: _check_memory(checks))
        checks.guard("hardware", lambda: _check_hardware(spec, checks))
        dataset = _open(spec, checks)
    # A missing device has failed its check; the smoke tests check what they can without it.
    device = Device.AUTO if spec.device is Device.CUDA else spec.device
    hardware = set_up_hardware(
        device=device,
        precision=Precision.AUTO,
        threads=spec.threads,
        seed=spec.seed,
        deterministic=any(config.training.deterministic for config in _configs(spec).values()),
    )
    engine = engine_bytes()
    # Not above: what the libraries of text and graphs take is part of what is measured.
    from trainers.preflight.fusion_smoke_test import try_fusion
    from trainers.preflight.smoke_test import SmokeTestContext, try_gnn, try_transformer

    libraries = resident_bytes()
    smoke_tests: dict[str, Callable[[Any, SmokeTestContext], CheckCollector]] = {
        "transformer": try_transformer,
        "gnn": try_gnn,
        "fusion": try_fusion,
    }
    with context.phase("dataset"):
        checks.extend(check_dataset(dataset, spec.dataset))
    with tempfile.TemporaryDirectory(dir=context.out, prefix=".smoke-test.") as scratch:
        setup = SmokeTestContext(
            dataset=dataset,
            folder=spec.dataset,
            context=context,
            hardware=hardware,
            engine=engine,
            libraries=libraries,
            scratch=Path(scratch),
        )
        run_specs = _run_specs(spec, bases=setup.scratch)
        progress = StepProgress(context.events, total=len(run_specs))
        for done, (name, run_spec) in enumerate(run_specs.items()):
            with context.phase(name):
                progress.report(done)
                smoke_test = partial(smoke_tests[name], run_spec, setup)
                checks.guard(f"{name}_trial", partial(_collect, smoke_test, checks))
        progress.report(len(run_specs))
    failed = [check for check in checks.made if check.verdict == "fail"]
    result = write_result(_result(spec, setup, checks.made), context, succeeded=not failed)
    if failed:
        raise PreflightError(f"{len(failed)} of {len(checks.made)} checks failed: see each of them", _problems(failed))
    return result


def _run_specs(spec: PreflightSpec, *, bases: Path) -> dict[str, TransformerSpec | GnnSpec | FusionSpec]:
    """Return the run spec of each tested cell; fusion comes after the models that it is tested on."""
    shared = {"dataset": spec.dataset, "seed": spec.seed, "device": spec.device, "threads": spec.threads}
    specs: dict[str, TransformerSpec | GnnSpec | FusionSpec] = {}
    if spec.transformer is not None:
        text = spec.transformer
        specs["transformer"] = TransformerSpec(**shared, model=text.model, training=text.training)
    if spec.gnn is not None:
        specs["gnn"] = GnnSpec(**shared, model=spec.gnn.model, training=spec.gnn.training)
    if spec.fusion is not None:
        folders = {"transformer": bases, "gnn": bases}
        specs["fusion"] = FusionSpec(**shared, **folders, model=spec.fusion.model, training=spec.fusion.training)
    return specs


def _collect(smoke_test: Callable[[], CheckCollector], checks: CheckCollector) -> None:
    checks.extend(smoke_test().made)


def _open(spec: PreflightSpec, checks: CheckCollector) -> Dataset:
    try:
        return Dataset.open(spec.dataset)
    except DataError as error:
        failed = [check for check in checks.made if check.verdict == "fail"]
        raise DataError(error.message, [*error.problems, *_problems(failed)]) from error


def _problems(failed: list[Check]) -> list[InputError]:
    return [InputError(where=c.name, found=c.detail, expected="the check to pass", fix=c.fix) for c in failed]


def _check_disk(out: Path, minimum_free_bytes: int, checks: CheckCollector) -> None:
    free = shutil.disk_usage(out).free
    detail = f"{free / 1e9:.1f} GB free, {minimum_free_bytes / 1e9:.1f} GB wanted"
    verdict: PreflightVerdict = "pass" if free >= minimum_free_bytes else "fail"
    checks.add("disk", verdict, detail, fix="make room, or lower minimum_free_bytes")


def _check_memory(checks: CheckCollector) -> None:
    available = psutil.virtual_memory().available
    verdict: PreflightVerdict = "warn" if available < LOW_MEMORY_BYTES else "pass"
    detail = f"{available / 1e9:.1f} GB available"
    checks.add("memory", verdict, detail, fix="close other programs, or use a larger machine")


def _check_hardware(spec: PreflightSpec, checks: CheckCollector) -> None:
    """Check that this machine has the device and the precision of each model."""
    for name, config in _configs(spec).items():
        problems = find_hardware_problems(device=spec.device, precision=config.training.precision)
        detail = "; ".join(f"{p.where}: {p.found}" for p in problems) or "device and precision are there"
        fix = "; ".join(p.fix for p in problems)
        checks.add(f"{name}_hardware", "fail" if problems else "pass", detail, fix=fix)


def _configs(spec: PreflightSpec) -> dict[str, TransformerConfig | GnnConfig | FusionConfig]:
    configs = {"transformer": spec.transformer, "gnn": spec.gnn, "fusion": spec.fusion}
    return {name: config for name, config in configs.items() if config is not None}


def _result(spec: PreflightSpec, setup: "SmokeTestContext", checks: list[Check]) -> RunResult:
    header = result_header(
        spec,
        setup.context,
        cell=spec.cell,
        dataset_id=setup.dataset.id,
        memory=peak_memory(setup.hardware.device),
        environment=setup.hardware.describe(),
    )
    warnings = [check.detail for check in checks if check.verdict == "warn"]
    return RunResult(**header, warnings=warnings, artifacts={}, checks=checks, needs=setup.needs)
