"""From a spec file to an exit code: runs one cell, and tells every failure on stderr and as an event."""

import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from cellgate.contract.artifacts import EVENTS_NAME, RESULT_NAME
from cellgate.contract.cells import AnySpec, Cell
from cellgate.contract.errors import (
    InputError,
    InterruptedRun,
    OutOfMemoryError,
    SpecError,
    TrainerError,
    is_disk_full,
    is_out_of_memory,
)
from cellgate.contract.events import EventKind, EventWriter
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.files import sha256_of_json
from cellgate.contract.specs import (
    AggregationSpec,
    FusionSpec,
    GnnSpec,
    PackSpec,
    PreflightSpec,
    PrepareSpec,
    ScoreSpec,
    TransformerSpec,
)
from trainers.engine.context import RunContext, stop_on_signals
from trainers.engine.run_folder import last_event
from trainers.spec_reading import read_spec

# Of a failure's problems; the total is told besides.
MAX_TOLD = 1_000


def run_cell(cell: Cell, *, spec_path: Path, out: Path, resume: Path | None) -> int:
    """Run one cell into `out`; return the exit code of its cause."""
    started_at = time.time()
    try:
        out.mkdir(parents=True, exist_ok=True)
        last = 0 if resume is None else last_event(resume)
        events = EventWriter(out / EVENTS_NAME, last=last)
    except OSError as error:
        print(f"{out}: cannot be written to ({error}); check --out", file=sys.stderr)
        return ExitCode.BAD_SPEC
    code: int = ExitCode.INTERNAL_ERROR
    try:
        with events:
            code = _run(cell, events, spec_path=spec_path, out=out, resume=resume, started_at=started_at)
    except OSError as error:
        # The last events could not be made durable; a failure of before goes before this one.
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
        stop_on_signals(context.stop, at_once=not isinstance(spec, TransformerSpec | GnnSpec | FusionSpec))
        # Of an earlier run into the same folder.
        (out / RESULT_NAME).unlink(missing_ok=True)
        events.write(EventKind.STARTED, cell=cell.value, seed=_seed(spec), spec_hash=context.spec_hash)
        _dispatch(spec, context)
    # The process ends here: whatever it was becomes an exit code.
    except BaseException as error:  # noqa: BLE001
        return _tell(error, events)
    return ExitCode.SUCCESS


def _seed(spec: AnySpec) -> int:
    return spec.split_seed if isinstance(spec, PrepareSpec) else spec.seed


def _check_resume(resume: Path | None) -> None:
    if resume is not None and not resume.is_dir():
        raise SpecError(
            "there is nothing to resume",
            [
                InputError(
                    where="--resume",
                    found=f"{resume}, which is no folder",
                    expected="a run's checkpoint folder",
                    fix="correct the path, or start without --resume",
                )
            ],
        )


def _dispatch(spec: AnySpec, context: RunContext) -> None:
    """Import what the cell needs, nothing else, and run it."""
    match spec:
        case PrepareSpec():
            from trainers import prepare_run

            prepare_run.run(spec, context)
        case PreflightSpec():
            from trainers.preflight import run as preflight

            preflight.run(spec, context)
        case TransformerSpec():
            from trainers.models.transformer import train as transformer

            transformer.run(spec, context)
        case GnnSpec():
            from trainers.models.gnn import train as gnn

            gnn.run(spec, context)
        case FusionSpec():
            from trainers.models.fusion import train as fusion

            fusion.run(spec, context)
        case AggregationSpec():
            from trainers.evaluation import aggregate

            aggregate.run(spec, context)
        case PackSpec():
            from trainers.bundle import pack_and_score as cells

            cells.pack(spec, context)
        case ScoreSpec():
            from trainers.bundle import pack_and_score as cells

            cells.score(spec, context)


def _tell(error: BaseException, events: EventWriter) -> int:
    """Say on stderr and as an event why the run failed; return its exit code."""
    known = _as_trainer_error(error)
    if known is None:
        traceback.print_exception(error)
        known = TrainerError(f"internal error: {type(error).__name__}: {error}")
    else:
        print(f"{known.reason}: {known}", file=sys.stderr)
    # A disk that is full has no room for this either; the exit code needs none.
    with suppress(OSError):
        events.write(
            EventKind.FAILED,
            reason=known.reason,
            exit_code=int(known.exit_code),
            message=known.message,
            problems=[
                {"where": problem.where, "found": problem.found, "expected": problem.expected, "fix": problem.fix}
                for problem in known.problems[:MAX_TOLD]
            ],
            problems_total=known.total,
        )
    return known.exit_code


def _as_trainer_error(error: BaseException) -> TrainerError | None:
    """Return the failure in our words; null when it is an error of ours."""
    match error:
        case TrainerError():
            return error
        case KeyboardInterrupt():
            return InterruptedRun("interrupted outside training: nothing new to save")
        case _ if is_disk_full(error):
            return TrainerError(f"there is no room left to write to ({error}): make room, then start the run again")
        case _ if is_out_of_memory(error):
            return OutOfMemoryError(
                "memory ran out outside training: use a smaller data set or model, or a larger machine"
            )
        case _:
            return None
