"""What a reconciler has to do, seen by one statement that locks nothing: most of the time that is nothing."""

from dataclasses import dataclass

from sqlalchemy import Exists, Select, exists, select
from sqlalchemy.orm import Session

from service.store.conclusions import missing_conclusions
from service.store.dispatch import undispatched_runs
from service.store.experiments import leftover_runs
from service.store.lifecycle import overdue_runs
from service.store.workers import silent_workers


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Whether there is something for each step.

    Args:
        overdue: Runs that have been queued for too long.
        leftovers: Open runs of cancelled experiments.
        conclusions: Ended experiments without a stored conclusion.
        silent: Workers without a heartbeat for long.
        undispatched: Queued runs that workers are to be notified of.
    """

    overdue: bool
    leftovers: bool
    conclusions: bool
    silent: bool
    undispatched: bool


EVERYTHING = Backlog(overdue=True, leftovers=True, conclusions=True, silent=True, undispatched=True)


def look(session: Session, *, silent_s: float, redispatch_after_s: float) -> Backlog:
    """Return what there is to do now; one statement.

    Args:
        session: An open transaction.
        silent_s: As for `retire_silent_workers`.
        redispatch_after_s: As for `due_for_dispatch`.
    """
    found = session.execute(
        select(
            _any(overdue_runs()).label("overdue"),
            _any(leftover_runs()).label("leftovers"),
            _any(missing_conclusions()).label("conclusions"),
            _any(silent_workers(silent_s)).label("silent"),
            _any(undispatched_runs(redispatch_after_s)).label("undispatched"),
        )
    ).one()
    return Backlog(**{name: bool(value) for name, value in found._mapping.items()})


def _any(chosen: Select[tuple[str]]) -> Exists:
    return exists(chosen)
