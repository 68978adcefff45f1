"""How near estimates come to what runs took: `python -m bench.estimates DATABASE_URL`.

Every run of cells 51 to 53 that has succeeded is estimated once more, by the service's own code, from the runs and
pre-flights alone that had ended when it started. Shown are the share of estimates within a factor of 1.5 of what the
run took, and the median and the worst of the factors, for time at work and for peak memory of the host.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.api.estimates import Figure
from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.states import RunState
from service.store.database import Database
from service.store.estimates import SPLIT_OF, estimate_step
from service.store.tables import DatasetRow, JobRow, RunRow

NEAR = 1.5


@dataclass(frozen=True, kw_only=True)
class Case:
    """One figure of one run.

    Args:
        cell: Label of the run's cell.
        kind: `time` or `memory`.
        source: `pre-flight`, `finished runs` or `not known`.
        predicted: Seconds or bytes; None: not known.
        actual: What the run took.
    """

    cell: str
    kind: str
    source: str
    predicted: float | None
    actual: float

    @property
    def factor(self) -> float | None:
        """How many times too large or too small the estimate is, at least 1."""
        if not self.predicted:
            return None
        return max(self.predicted / self.actual, self.actual / self.predicted)


def replay(session: Session) -> Iterator[Case]:
    """Yield the estimates of every run that was trained to its end, beside what it took.

    Args:
        session: An open transaction.
    """
    chosen = (
        select(RunRow, JobRow, DatasetRow)
        .join(JobRow, RunRow.job_id == JobRow.id)
        .join(DatasetRow, JobRow.dataset_id == DatasetRow.id)
        .where(
            RunRow.cell.in_([cell.value for cell in SPLIT_OF]),
            RunRow.state == RunState.SUCCEEDED,
            RunRow.reused_from.is_(None),
            RunRow.running_s.is_not(None),
            RunRow.started_at.is_not(None),
        )
        .order_by(RunRow.started_at)
    )
    for run, job, dataset in session.execute(chosen):
        cell = Cell(run.cell)
        config: Any = ENTRY_OF[cell].config
        found = estimate_step(
            session,
            dataset,
            cell,
            config.model_validate(job.spec),
            runs=1,
            queue=run.queue,
            ended_before=run.started_at,
        )
        memory = float((run.result or {}).get("memory", {}).get("host_bytes", 0))
        for kind, figure, actual in (("time", found.seconds, run.running_s), ("memory", found.host_bytes, memory)):
            if actual:
                yield _case(ENTRY_OF[cell].label, kind, figure, actual)


def _case(cell: str, kind: str, figure: Figure, actual: float) -> Case:
    source = "not known"
    if figure.value is not None:
        source = "pre-flight" if figure.source.startswith("pre-flight") else "finished runs"
    return Case(cell=cell, kind=kind, source=source, predicted=figure.value, actual=actual)


def rows_of(cases: Sequence[Case]) -> Iterator[str]:
    """Yield a row of Markdown for every cell, figure and source, and one of each figure over all cells."""
    for kind in ("time", "memory"):
        of_kind = [case for case in cases if case.kind == kind]
        for cell, source in sorted({(case.cell, case.source) for case in of_kind}):
            yield _row(cell, kind, source, [case for case in of_kind if (case.cell, case.source) == (cell, source)])
        yield _row("all", kind, "whatever was known", [case for case in of_kind if case.predicted is not None])


def _row(cell: str, kind: str, source: str, cases: Sequence[Case]) -> str:
    factors = [case.factor for case in cases if case.factor is not None]
    figures = "| | |"
    if factors:
        near = sum(factor <= NEAR for factor in factors)
        figures = f"{near} of {len(factors)} | {median(factors):.2f} | {max(factors):.2f} |"
    return f"| {cell} | {kind} | {source} | {len(cases)} | {figures}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", help="URL as in CELLGATE_DATABASE_URL; it is only read")
    database = Database(parser.parse_args().database)
    print(f"| cell | figure | estimated from | runs | within ×{NEAR:g} | median factor | worst |")
    print("|---|---|---|---|---|---|---|")
    with database.read() as session:
        for row in rows_of(list(replay(session))):
            print(row)
    database.dispose()


if __name__ == "__main__":
    main()
