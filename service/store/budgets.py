"""What an experiment has taken, and the budget that stops it."""

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from cellgate.contract.cells import TRAINED
from cellgate.contract.experiment import Budget
from service.domain.errors import InvalidSpec, Mistake
from service.store.durations import seconds_of
from service.store.tables import AttemptRow, ExperimentRow, RunRow

HOUR_S = 3600.0
TRAINED_CELLS = [entry.cell.value for entry in TRAINED]


def with_seconds(budget: Budget | None, price: float | None) -> Budget | None:
    """Return a budget whose `device_s` holds its cost too, at the price of now: a later one does not change it.

    Args:
        budget: As it was submitted.
        price: Of a device hour; None: not known.

    Raises:
        InvalidSpec: It names a cost, and there is no price.
    """
    if budget is None or budget.cost is None:
        return budget
    if price is None:
        detail = "a cost needs a price: set CELLGATE_PRICE_PER_DEVICE_HOUR, or give the budget as device_s"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/budget/cost", detail=detail)])
    affordable_s = budget.cost / price * HOUR_S
    return budget.model_copy(update={"device_s": min(budget.device_s or affordable_s, affordable_s)})


def spent_s(session: Session, experiment_id: str, *, trained: bool | None = None) -> float:
    """Return the time at work of an experiment's attempts, running ones included.

    Args:
        session: An open transaction.
        experiment_id: The experiment.
        trained: Of the cells that train a model, or of the others; None: of all.
    """
    chosen = _time().where(RunRow.experiment_id == experiment_id)
    if trained is not None:
        chosen = chosen.where(RunRow.cell.in_(TRAINED_CELLS) if trained else RunRow.cell.not_in(TRAINED_CELLS))
    return session.scalar(chosen) or 0.0


def budget_s(session: Session, run: RunRow) -> float | None:
    """Return the seconds that the run's experiment may take; None where nothing holds the run back.

    A run that was tried again is free: whoever retries has seen the budget.
    """
    if run.experiment_id is None:
        return None
    earlier = aliased(RunRow)
    again = select(earlier.id).where(earlier.job_id == run.job_id, earlier.superseded_by == run.id)
    if session.scalar(again) is not None:
        return None
    spec = session.scalars(select(ExperimentRow.spec).where(ExperimentRow.id == run.experiment_id)).one()
    found = (spec.get("budget") or {}).get("device_s")
    return None if found is None else float(found)


def overspent(session: Session, run_id: str, limit_s: float) -> str | None:
    """Return in words what the run's experiment has taken, if that is as much as it may; else None.

    Args:
        session: An open transaction.
        run_id: The run.
        limit_s: Of `budget_s`.
    """
    experiment_id = session.scalar(select(RunRow.experiment_id).where(RunRow.id == run_id)) or ""
    taken_s = spent_s(session, experiment_id)
    if taken_s < limit_s:
        return None
    return (
        f"the experiment has taken {taken_s:.0f} s at work, and its budget is {limit_s:.0f} s: retry the run to let it "
        "go on from its checkpoint, or submit the experiment with a larger budget, which reuses what has finished"
    )


def _time() -> Select[float]:
    return select(func.sum(seconds_of(AttemptRow))).join(RunRow, AttemptRow.run_id == RunRow.id)
