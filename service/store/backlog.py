"""What a reconciler has to do, seen by one statement that locks nothing: most of the time that is nothing."""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Select, select

from service.store.conclusions import missing_conclusions
from service.store.database import Reader
from service.store.dispatch import is_anything_due
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


def look(reader: Reader, *, silent_s: float, redispatch_after_s: float) -> Backlog:
    """Return what there is to do now; one statement.

    Args:
        reader: An open transaction.
        silent_s: As for `retire_silent_workers`.
        redispatch_after_s: As for `due_for_dispatch`.
    """
    found = reader.execute(_statement(silent_s, redispatch_after_s)).one()
    return Backlog(**{name: bool(value) for name, value in found._mapping.items()})


@cache
def _statement(silent_s: float, redispatch_after_s: float) -> Select[bool, bool, bool, bool, bool]:
    # Kept: to build it takes longer than to execute it.
    return select(
        overdue_runs().exists().label("overdue"),
        leftover_runs().exists().label("leftovers"),
        missing_conclusions().exists().label("conclusions"),
        silent_workers(silent_s).exists().label("silent"),
        is_anything_due(redispatch_after_s).label("undispatched"),
    )
