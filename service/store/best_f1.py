"""The best F1 of an experiment so far, stored beside it: lists show it and sort by it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Double, func, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.options import OPTIONS, Option
from service.domain.pipeline import BASES, Step
from service.store.tables import DecisionRow, ExperimentRow, JobRow, RunRow

OPTION_OF: Mapping[str, Option] = {Step.TRANSFORMER.value: "transformer", Step.GNN.value: "gnn"}


def store_best_f1(session: Session, experiment_id: str) -> None:
    """Store the F1 of the experiment's best option on the gate split.

    It is that of the newest evidence, of the options that may be shipped. Before any evidence it is the mean over the
    finished seeds of the better base model, without an interval.

    Args:
        session: The transaction that ends a run of it, decides, or withdraws a decision.
        experiment_id: The experiment.
    """
    best = _weighed(session, experiment_id) or _better_base(session, experiment_id)
    if session.scalar(select(ExperimentRow.best).where(ExperimentRow.id == experiment_id)) == best:
        return
    values: dict[str, Any] = {"best": null(), "best_f1": null()}
    if best is not None:
        values = {"best": best, "best_f1": best["mean"]}
    changed = update(ExperimentRow).where(ExperimentRow.id == experiment_id).values(values)
    session.execute(changed.execution_options(synchronize_session=False))


def gate_f1_of(result: Mapping[str, Any] | None) -> float | None:
    """Return a result's F1 on the gate split; None where it has none."""
    found = ((result or {}).get("metrics") or {}).get("gate", {}).get("f1")
    return None if found is None else float(found)


def _weighed(session: Session, experiment_id: str) -> dict[str, Any] | None:
    options = DecisionRow.body["evidence"]["options"]
    tuned = ExperimentRow.spec["policy"]["ship_tuned_ensemble"].as_boolean()
    chosen = (
        select(options, tuned)
        .join(ExperimentRow, DecisionRow.experiment_id == ExperimentRow.id)
        .where(DecisionRow.experiment_id == experiment_id)
        # "bases" sorts before "final".
        .order_by(DecisionRow.stage.desc())
        .limit(1)
    )
    found = session.execute(chosen).one_or_none()
    return None if found is None else _best_of(found[0] or [], on_request=bool(found[1]))


def _best_of(options: Sequence[Mapping[str, Any]], *, on_request: bool) -> dict[str, Any] | None:
    may_ship = {one.name for one in OPTIONS if one.outcome is not None and (on_request or not one.on_request)}
    weighed = [option for option in options if option["option"] in may_ship]
    if not weighed:
        return None
    best = max(weighed, key=lambda option: float(option["f1"]))
    interval = best["f1_interval"]
    return {
        "option": best["option"],
        "mean": best["f1"],
        "low": interval["low"],
        "high": interval["high"],
        "seeds": len(best["seeds"]),
    }


def _better_base(session: Session, experiment_id: str) -> dict[str, Any] | None:
    mean: ColumnElement[float] = func.avg(RunRow.f1, type_=Double())
    chosen = (
        select(JobRow.step, mean, func.count(RunRow.f1))
        .join(JobRow, RunRow.job_id == JobRow.id)
        .where(
            RunRow.experiment_id == experiment_id,
            RunRow.superseded_by.is_(None),
            RunRow.f1.is_not(None),
            JobRow.step.in_([step.value for step in BASES]),
        )
        .group_by(JobRow.step)
        .order_by(mean.desc(), JobRow.step)
        .limit(1)
    )
    found = session.execute(chosen).one_or_none()
    if found is None:
        return None
    return {"option": OPTION_OF[str(found[0])], "mean": found[1], "low": None, "high": None, "seeds": found[2]}
