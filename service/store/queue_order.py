"""The order of the queue: priority, then turns, then age.

Within a priority, experiments (and jobs that belong to none) take turns: whoever was served the longest ago is next, so
that many runs of one never keep the few of another waiting. Within an experiment the oldest run is first.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, case, func

from service.store.tables import ExperimentRow, JobRow, RunRow

# Whose turn it is: an experiment's, or that of a job alone.
FAIRNESS_KEY = func.coalesce(RunRow.experiment_id, RunRow.job_id)
_SERVED_AT = case((RunRow.experiment_id.is_(None), JobRow.served_at), else_=ExperimentRow.served_at)
LAST_SERVED: ColumnElement[Any] = func.coalesce(_SERVED_AT, 0.0)
AGE = (RunRow.created_at, RunRow.seed, RunRow.id)


def with_fairness_key(chosen: Select[Any]) -> Select[Any]:
    """Return the selection of runs with what their turn depends on."""
    jobs = chosen.join(JobRow, RunRow.job_id == JobRow.id)
    return jobs.outerjoin(ExperimentRow, RunRow.experiment_id == ExperimentRow.id)
