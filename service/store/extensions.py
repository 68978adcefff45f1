"""Repeat an experiment with more seeds, beside the one that has decided: the row of the new one, and when it is due."""

from collections.abc import Mapping, Sequence
from itertools import count, islice
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from cellgate.contract.conclusion import Conclusion, Outcome
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import ExperimentState
from service.domain.pipeline import Step
from service.domain.principals import Owner
from service.store.budgets import spent_s
from service.store.database import now_s
from service.store.lookup import new_id
from service.store.tables import EventRow, ExperimentRow, JobRow, LabelRow

EXTENDED = "extended"
CONFIGS = {"transformer": Step.TRANSFORMER, "gnn": Step.GNN, "fusion": Step.FUSION}
# What more seeds can settle: in others, runs are missing or nothing was weighed.
UNSETTLED = (Outcome.BORDERLINE, Outcome.IMPROVE)


def insert_experiment(
    session: Session,
    *,
    name: str,
    dataset_id: str,
    spec: ExperimentSpec,
    owner: Owner,
    labels: Mapping[str, str],
    extends: str | None = None,
) -> ExperimentRow:
    """Insert an experiment and its labels; nothing of it starts.

    Args:
        session: An open transaction.
        name: Name for people.
        dataset_id: The data set to train on.
        spec: Configs, seeds, policy and limits.
        owner: Whom it belongs to.
        labels: Values to find it by, by key.
        extends: The experiment that it repeats with more seeds.
    """
    values = {
        "id": new_id("exp"),
        "name": name,
        "dataset_id": dataset_id,
        "state": ExperimentState.WAITING.value,
        "autopilot": spec.autopilot,
        "spec": spec.model_dump(mode="json"),
        "extends": extends,
        "owner": owner.name,
        "owner_id": owner.id,
        "created_at": now_s(),
        "version": 1,
    }
    made = session.scalars(insert(ExperimentRow).values(values).returning(ExperimentRow)).one()
    if labels:
        rows = [{"experiment_id": made.id, "key": key, "value": value} for key, value in labels.items()]
        session.execute(insert(LabelRow), rows)
    return made


def extend(
    session: Session, experiment: ExperimentRow, seeds: Sequence[int], *, name: str | None, owner: Owner, **changes: Any
) -> ExperimentRow:
    """Insert an experiment like another one, with these seeds; nothing of it starts.

    Its configs are those that the other one has trained with: a job may have been tried again at another rate.

    Args:
        session: A transaction that holds the other one's lock, so that it is not deleted meanwhile.
        experiment: The other one.
        seeds: All that the new one has.
        name: Of the new one; None: that of the other.
        owner: Whom the new one belongs to.
        changes: Further fields of its spec.
    """
    spec = ExperimentSpec.model_validate(experiment.spec)
    policy = spec.policy.model_copy(update={"looks": spec.policy.looks + 1}).model_dump(mode="json")
    values = {"seeds": list(seeds), "fresh": False, "autopilot": True, "policy": policy, **changes}
    labels = session.scalars(select(LabelRow).where(LabelRow.experiment_id == experiment.id))
    return insert_experiment(
        session,
        name=name or experiment.name,
        dataset_id=experiment.dataset_id,
        spec=ExperimentSpec.model_validate({**experiment.spec, **_configs(session, experiment.id), **values}),
        owner=owner,
        labels={label.key: label.value for label in labels},
        extends=experiment.id,
    )


def extend_if_due(session: Session, experiment: ExperimentRow, conclusion: Conclusion | None) -> ExperimentRow | None:
    """Insert the experiment that follows one whose answer is borderline, where its spec says so; else return None.

    None follows once there is one, with all seeds that it may have, or with its budget spent; the next one may take
    what is left of that.

    Args:
        session: The transaction that ends the experiment and holds its lock.
        experiment: Its row.
        conclusion: What came of it.
    """
    spec = ExperimentSpec.model_validate(experiment.spec)
    more = spec.more_seeds
    if more is None or not spec.autopilot or conclusion is None or not _is_unsettled(conclusion):
        return None
    unused = (seed for seed in count() if seed not in spec.seeds)
    added = list(islice(unused, min(more.step, more.most - len(spec.seeds))))
    left_s = _budget_left_s(session, experiment.id, spec)
    followed = session.scalar(select(ExperimentRow.id).where(ExperimentRow.extends == experiment.id).limit(1))
    if not added or followed is not None or (left_s is not None and left_s <= 0):
        return None
    budget = {} if left_s is None else {"budget": {"device_s": left_s}}
    owner = Owner(id=experiment.owner_id, name=experiment.owner)
    made = extend(session, experiment, [*spec.seeds, *added], name=None, owner=owner, **budget)
    body = {"experiment": made.id, "seeds": added, "reason": f"the answer is borderline: {conclusion.text}"}
    session.execute(insert(EventRow).values(experiment_id=experiment.id, kind=EXTENDED, body=body, at=now_s()))
    return made


def _is_unsettled(conclusion: Conclusion) -> bool:
    return conclusion.computed.outcome in UNSETTLED and conclusion.computed.confidence == "borderline"


def _budget_left_s(session: Session, experiment_id: str, spec: ExperimentSpec) -> float | None:
    if spec.budget is None or spec.budget.device_s is None:
        return None
    return spec.budget.device_s - spent_s(session, experiment_id)


def _configs(session: Session, experiment_id: str) -> dict[str, Any]:
    steps = {step.value: name for name, step in CONFIGS.items()}
    chosen = select(JobRow.step, JobRow.spec).where(JobRow.experiment_id == experiment_id, JobRow.step.in_(steps))
    return {steps[str(step)]: spec for step, spec in session.execute(chosen)}
