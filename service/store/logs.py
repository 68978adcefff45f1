"""Read the output of runs by numbered chunks, and their attempts, in bounded parts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import LargeBinary, Select, cast, func, select, tuple_
from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.tables import AttemptRow, EventRow, LogRow, RunRow

BATCH = 64
START = (0, 0)
Key = tuple[int, int]  # attempt, number


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Position of one chunk in the whole text, in bytes of UTF-8."""

    key: Key
    begin: int
    end: int


def chunks_after(
    session: Session, run_id: str, after: Key = START, *, attempt: int | None = None, limit: int = BATCH
) -> Sequence[LogRow]:
    """Return the chunks that follow `after`, in order.

    Args:
        session: An open transaction.
        run_id: The run.
        after: (attempt, number) of the last chunk that is known.
        attempt: Only chunks of this attempt; None: of all.
        limit: Chunks at most.
    """
    chosen = select(LogRow).where(LogRow.run_id == run_id, tuple_(LogRow.attempt, LogRow.number) > after)
    if attempt is not None:
        chosen = chosen.where(LogRow.attempt == attempt)
    return session.scalars(chosen.order_by(LogRow.attempt, LogRow.number).limit(limit)).all()


def measured(session: Session, run_id: str, *, attempt: int | None = None) -> list[Piece]:
    """Return the position of every chunk; no text is read into memory.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: Only chunks of this attempt; None: of all.
    """
    length = func.octet_length(LogRow.text)
    if session.get_bind().dialect.name == "sqlite":
        # Older versions have no octet_length, and length() counts characters.
        length = func.length(cast(LogRow.text, LargeBinary))
    chosen = select(LogRow.attempt, LogRow.number, length).where(LogRow.run_id == run_id)
    if attempt is not None:
        chosen = chosen.where(LogRow.attempt == attempt)
    pieces: list[Piece] = []
    at = 0
    for of_attempt, number, size in session.execute(chosen.order_by(LogRow.attempt, LogRow.number)):
        pieces.append(Piece(key=(of_attempt, number), begin=at, end=at + size))
        at += size
    return pieces


def text_between(database: Database, run_id: str, pieces: Sequence[Piece], begin: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from `begin` up to `end`, chunk by chunk; no connection is held in between.

    Args:
        database: Read in short transactions.
        run_id: The run.
        pieces: Positions of the chunks.
        begin: First byte.
        end: Byte after the last.
    """
    wanted = [piece for piece in pieces if piece.begin < end and piece.end > begin]
    for first in range(0, len(wanted), BATCH):
        batch = wanted[first : first + BATCH]
        with database.read() as session:
            texts = {(row.attempt, row.number): row.text for row in session.execute(_texts(run_id, batch))}
        for piece in batch:
            content = texts[piece.key].encode()
            yield content[max(begin - piece.begin, 0) : end - piece.begin]


def _texts(run_id: str, batch: Sequence[Piece]) -> Select[int, int, str]:
    key = tuple_(LogRow.attempt, LogRow.number)
    between = (key >= batch[0].key) & (key <= batch[-1].key)
    return select(LogRow.attempt, LogRow.number, LogRow.text).where(LogRow.run_id == run_id, between)


def attempts_of(session: Session, run_id: str) -> Sequence[AttemptRow]:
    """Return a run's attempts, first to last."""
    return session.scalars(select(AttemptRow).where(AttemptRow.run_id == run_id).order_by(AttemptRow.attempt)).all()


def output_versions(session: Session, run_ids: Collection[str]) -> Mapping[str, int]:
    """Return a number per run that rises with every chunk, event and transition."""
    last_chunk = (
        select(func.max(LogRow.number))
        .where(LogRow.run_id == RunRow.id, LogRow.attempt == RunRow.attempt)
        .correlate(RunRow)
        .scalar_subquery()
    )
    last_event = select(func.max(EventRow.id)).where(EventRow.run_id == RunRow.id).correlate(RunRow).scalar_subquery()
    chosen = select(RunRow.id, RunRow.version, last_event, last_chunk).where(RunRow.id.in_(run_ids))
    # Chunk numbers restart with each attempt, but an attempt starts with a transition, which is an event.
    return {
        run_id: ((version + (event or 0)) << 31) + (number or 0)
        for run_id, version, event, number in session.execute(chosen)
    }
