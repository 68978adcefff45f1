"""Runs one cell from its spec file to its exit code; reports every failure on stderr and as an event."""

import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from cellgate.contract.artifacts import CHECKPOINT_FOLDER, EVENTS_NAME, RESULT_NAME
from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.errors import (
    InputError,
    InterruptedRun,
    OutOfMemoryError,
    SpecError,
    StorageFullError,
    TrainerError,
    is_out_of_memory,
)
from cellgate.contract.events import EventKind, EventWriter
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.files import sha256_of_json
from cellgate.contract.results import RunResult
from cellgate.contract.specs import AnySpec
from cellgate.contract.storage import is_disk_full
from cellgate.contract.visible import visible
from trainers.engine.context import RunContext, stop_on_signals
from trainers.engine.resources import SampledEvents
from trainers.engine.run_folder import can_go_on, last_event, seed_of
from trainers.spec_reading import read_spec

# Problems of a failure that its event lists; the total is in the event too.
MAX_LISTED = 1_000


def run_cell(cell: Cell, *, spec_path: Path, out: Path, resume: Path | None) -> int:
    """Run one cell into `out`; return the exit code of its cause.

    Args:
        cell: Which; a spec of another one is refused.
        spec_path: JSON file.
        out: Output folder, made where it is missing.
        resume: Checkpoint folder to go on from; None starts at the beginning.
    """
    started_at = time.time()
    try:
        out.mkdir(parents=True, exist_ok=True)
        last = 0 if resume is None else last_event(resume)
        events = SampledEvents(out / EVENTS_NAME, last=last)
    except OSError as error:
        if is_disk_full(error):
            return _say_full(out, error)
        print(f"{out}: cannot be written to ({error}); check --out", file=sys.stderr)
        return ExitCode.BAD_SPEC
    code: int = ExitCode.INTERNAL_ERROR
    try:
        with events:
            code = _run(cell, events, spec_path=spec_path, out=out, resume=resume, started_at=started_at)
    except OSError as error:
        # The last events could not be made durable; a failure of before goes before this one.
        if is_disk_full(error):
            return code if code not in (ExitCode.SUCCESS, ExitCode.INTERNAL_ERROR) else _say_full(out, error)
        print(f"{out}: cannot be written to ({error}); make room, then start the run again", file=sys.stderr)
        return code or ExitCode.INTERNAL_ERROR
    return code


def _run(cell: Cell, events: EventWriter, *, spec_path: Path, out: Path, resume: Path | None, started_at: float) -> int:
    try:
        _check_resume(resume)
        spec = read_spec(spec_path, cell)
        context = RunContext(
            out=out,
            events=events,
            spec_hash=sha256_of_json(spec.model_dump(mode="json")),
            started_at=started_at,
            resume=resume,
        )
        stop_on_signals(context.stop, at_once=not ENTRY_OF[cell].checkpoints)
        # Of an earlier run into the same folder.
        (out / RESULT_NAME).unlink(missing_ok=True)
        events.write(EventKind.STARTED, cell=cell.value, seed=seed_of(spec), spec_hash=context.spec_hash)
        _trainer_of(cell)(spec, context)
    # The process ends here: whatever it was becomes an exit code.
    except BaseException as error:  # noqa: BLE001
        return _report(error, events, out)
    return ExitCode.SUCCESS


def _say_full(out: Path, error: OSError) -> int:
    _say(str(StorageFullError.of(out, error)))
    return ExitCode.STORAGE_FULL


def _say(text: str) -> None:
    """Print on stderr, which may lie on the disk that is full: the exit code needs no room."""
    with suppress(OSError):
        print(text, file=sys.stderr)


def _check_resume(resume: Path | None) -> None:
    """Refuse a folder to go on from that has nothing: training would start afresh, and nobody would be told."""
    if resume is None or can_go_on(resume):
        return
    inside = resume / CHECKPOINT_FOLDER
    meant = f"name {inside}" if can_go_on(inside) else "correct the path"
    raise SpecError(
        "there is nothing to resume",
        [
            InputError(
                where="--resume",
                found=f"no checkpoint in {resume}" if resume.is_dir() else f"{resume}, which is no folder",
                expected="a run's checkpoint folder",
                fix=f"{meant}, or start without --resume",
            )
        ],
    )


def _trainer_of(cell: Cell) -> Callable[[AnySpec, RunContext], RunResult]:
    """Import what the cell needs, nothing else, and return the function that runs it."""
    module, _, function = ENTRY_OF[cell].trainer.partition(":")
    trainer: Callable[[AnySpec, RunContext], RunResult] = getattr(import_module(module), function)
    return trainer


def _report(error: BaseException, events: EventWriter, out: Path) -> int:
    """Report on stderr and as an event why the run failed; return its exit code."""
    known = _as_trainer_error(error, out)
    if known is None:
        with suppress(OSError):
            traceback.print_exception(error)
        known = TrainerError(f"internal error: {type(error).__name__}: {error}")
    else:
        _say(visible(f"{known.reason}: {known}"))
    # A disk that is full has no room for this either; the exit code needs none.
    with suppress(OSError):
        events.write(
            EventKind.FAILED,
            reason=known.reason,
            exit_code=int(known.exit_code),
            message=known.message,
            problems=[
                {"where": problem.where, "found": problem.found, "expected": problem.expected, "fix": problem.fix}
                for problem in known.problems[:MAX_LISTED]
            ],
            problems_total=known.total,
        )
    return known.exit_code


def _as_trainer_error(error: BaseException, out: Path) -> TrainerError | None:
    """Return the failure as a TrainerError; None when it is a bug."""
    match error:
        # Before the errors of ours: one that was raised for a full disk has that as its cause.
        case _ if not isinstance(error, StorageFullError) and is_disk_full(error):
            return StorageFullError.of(out, error)
        case TrainerError():
            return error
        case KeyboardInterrupt():
            return InterruptedRun("interrupted outside training: nothing new to save")
        case _ if is_out_of_memory(error):
            return OutOfMemoryError(
                "memory ran out outside training: use a smaller data set or model, or a larger machine"
            )
        case _:
            return None
