"""Rows of attempts and output as answers. Pure."""

from cellgate.contract.api.runs import AttemptAnswer, LogChunk
from service.api.views import when, when_or_none
from service.store.tables import AttemptRow, LogRow


def attempt_answer(row: AttemptRow) -> AttemptAnswer:
    """Return an attempt."""
    return AttemptAnswer(
        attempt=row.attempt,
        worker=row.worker,
        outcome=row.outcome,
        exit_code=row.exit_code,
        checkpoint_step=row.checkpoint_step,
        started_at=when(row.started_at),
        finished_at=when_or_none(row.finished_at),
    )


def log_chunk(row: LogRow) -> LogChunk:
    """Return a piece of output."""
    return LogChunk(attempt=row.attempt, number=row.number, text=row.text, at=when(row.at))
