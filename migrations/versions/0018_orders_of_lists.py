"""Orders and filters of lists: what an experiment and a run have reached and taken, with indexes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ROWS_AT_ONCE = 500
ENDED_RUN = ("succeeded", "failed", "cancelled")
SHIPPED = ("transformer", "gnn", "ensemble", "fusion")
BASES = {"51": "transformer", "52": "gnn"}
# Table, columns of its new indexes, and the columns of the index of the same name before, if there was one.
INDEXES: Sequence[tuple[str, str, Sequence[str], Sequence[str] | None]] = (
    ("datasets", "ix_datasets_state", ("state", "id"), None),
    ("datasets", "ix_datasets_owner_id", ("owner_id", "id"), None),
    ("datasets", "ix_datasets_name", ("name", "id"), ("name",)),
    ("experiments", "ix_experiments_state", ("state", "id"), ("state",)),
    ("experiments", "ix_experiments_dataset_id", ("dataset_id", "id"), None),
    ("experiments", "ix_experiments_owner_id", ("owner_id", "id"), None),
    ("experiments", "ix_experiments_name", ("name", "id"), None),
    ("experiments", "ix_experiments_best_f1", ("best_f1", "id"), None),
    ("experiments", "ix_experiments_took_s", ("took_s", "id"), None),
    ("experiments", "ix_experiments_finished_at", ("finished_at", "id"), None),
    ("jobs", "ix_jobs_dataset_id", ("dataset_id", "id"), ("dataset_id",)),
    ("jobs", "ix_jobs_cell", ("cell", "id"), None),
    ("jobs", "ix_jobs_owner_id", ("owner_id", "id"), None),
    ("jobs", "ix_jobs_name", ("name", "id"), None),
    ("runs", "ix_runs_state", ("state", "id"), None),
    ("runs", "ix_runs_cell", ("cell", "id"), None),
    ("runs", "ix_runs_owner_id", ("owner_id", "id"), None),
    ("runs", "ix_runs_name", ("name", "id"), None),
    ("runs", "ix_runs_f1", ("f1", "id"), None),
    ("runs", "ix_runs_took_s", ("took_s", "id"), None),
    ("principals", "ix_principals_name", ("name",), None),
)
WITH_ARCHIVED = ("datasets", "experiments", "jobs", "runs")
COLUMNS: Mapping[str, Sequence[tuple[str, Any]]] = {
    "experiments": (("took_s", sa.Double()), ("best", JSON), ("best_f1", sa.Double()), ("predicted", JSON)),
    "runs": (("f1", sa.Double()), ("took_s", sa.Double())),
}
RUNS = sa.table(
    "runs",
    sa.column("id", sa.String),
    sa.column("experiment_id", sa.String),
    sa.column("job_id", sa.String),
    sa.column("state", sa.String),
    sa.column("superseded_by", sa.String),
    sa.column("result", JSON),
    sa.column("running_s", sa.Double),
    sa.column("started_at", sa.Double),
    sa.column("finished_at", sa.Double),
    sa.column("f1", sa.Double),
    sa.column("took_s", sa.Double),
)
JOBS = sa.table("jobs", sa.column("id", sa.String), sa.column("step", sa.String))
EXPERIMENTS = sa.table(
    "experiments",
    sa.column("id", sa.String),
    sa.column("state", sa.String),
    sa.column("spec", JSON),
    sa.column("created_at", sa.Double),
    sa.column("finished_at", sa.Double),
    sa.column("took_s", sa.Double),
    sa.column("best", JSON),
    sa.column("best_f1", sa.Double),
)
DECISIONS = sa.table(
    "decisions", sa.column("experiment_id", sa.String), sa.column("stage", sa.String), sa.column("body", JSON)
)


def upgrade() -> None:
    """Bring the schema to this revision; the new columns of what is there are filled a batch at a time."""
    for table, added in COLUMNS.items():
        for name, kind in added:
            op.add_column(table, sa.Column(name, kind, nullable=True))
    _fill_runs()
    _fill_experiments()
    for table, name, columns, before in INDEXES:
        if before is not None:
            op.drop_index(name, table)
        op.create_index(name, table, list(columns))
    for table in WITH_ARCHIVED:
        archived = sa.text("archived_at IS NOT NULL")
        op.create_index(f"ix_{table}_archived", table, ["id"], sqlite_where=archived, postgresql_where=archived)


def downgrade() -> None:
    """Take the schema back to the revision before; what the columns held can be computed again."""
    for table in WITH_ARCHIVED:
        op.drop_index(f"ix_{table}_archived", table)
    for table, name, _columns, before in reversed(INDEXES):
        op.drop_index(name, table)
        if before is not None:
            op.create_index(name, table, list(before))
    for table, added in COLUMNS.items():
        for name, _kind in added:
            op.drop_column(table, name)


def _pages(chosen: sa.Select[Any], key: sa.ColumnElement[Any]) -> Iterator[Sequence[Any]]:
    """Yield the rows a batch at a time, by their first column."""
    after = ""
    while True:
        rows = op.get_bind().execute(chosen.where(key > after).order_by(key).limit(ROWS_AT_ONCE)).all()
        if rows:
            yield rows
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1][0]


def _fill_runs() -> None:
    f1 = RUNS.c.result["metrics"]["gate"]["f1"].as_float()
    by_clock = RUNS.c.finished_at - RUNS.c.started_at
    # The difference of two readings of a clock is never negative.
    took_s = sa.func.coalesce(RUNS.c.running_s, sa.case((by_clock < 0.0, 0.0), else_=by_clock))
    chosen = sa.select(RUNS.c.id, f1, took_s).where(RUNS.c.state.in_(ENDED_RUN))
    changed = sa.update(RUNS).where(RUNS.c.id == sa.bindparam("found"))
    for rows in _pages(chosen, RUNS.c.id):
        values = [{"found": found, "f1": score, "took_s": took} for found, score, took in rows]
        op.get_bind().execute(changed.values(f1=sa.bindparam("f1"), took_s=sa.bindparam("took_s")), values)


def _fill_experiments() -> None:
    row = EXPERIMENTS.c
    by_clock = row.finished_at - row.created_at
    took_s = sa.case((row.state.not_in(ENDED_RUN), None), (by_clock < 0.0, 0.0), else_=by_clock)
    tuned = row.spec["policy"]["ship_tuned_ensemble"].as_boolean()
    for rows in _pages(sa.select(row.id, took_s, tuned), row.id):
        best = _best({found: bool(may_ship) for found, _, may_ship in rows})
        for found, took, _ in rows:
            reached = best.get(found)
            # None would be stored as JSON's null.
            values = {"took_s": took, "best": sa.null(), "best_f1": None}
            if reached is not None:
                values |= {"best": reached, "best_f1": reached["mean"]}
            op.get_bind().execute(sa.update(EXPERIMENTS).where(row.id == found).values(values))


def _best(tuned: Mapping[str, bool]) -> dict[str, dict[str, Any]]:
    """Return the best option of each of these experiments, by its id.

    Args:
        tuned: Whether the policy lets the tuned ensemble be shipped, by experiment.
    """
    found = _better_bases(list(tuned))
    chosen = sa.select(DECISIONS.c.experiment_id, DECISIONS.c.body["evidence"]["options"])
    rows = op.get_bind().execute(
        chosen.where(DECISIONS.c.experiment_id.in_(list(tuned))).order_by(DECISIONS.c.experiment_id, DECISIONS.c.stage)
    )
    # "bases" sorts before "final": the last one stays.
    for experiment, options in rows:
        names = (*SHIPPED, *(["ensemble_tuned"] if tuned[experiment] else []))
        weighed = [option for option in options or [] if option["option"] in names]
        if weighed:
            best = max(weighed, key=lambda option: option["f1"])
            found[experiment] = {
                "option": best["option"],
                "mean": best["f1"],
                "low": best["f1_interval"]["low"],
                "high": best["f1_interval"]["high"],
                "seeds": len(best["seeds"]),
            }
    return found


def _better_bases(experiments: Sequence[str]) -> dict[str, dict[str, Any]]:
    chosen = (
        sa.select(RUNS.c.experiment_id, JOBS.c.step, sa.func.avg(RUNS.c.f1), sa.func.count(RUNS.c.f1))
        .join(JOBS, RUNS.c.job_id == JOBS.c.id)
        .where(
            RUNS.c.experiment_id.in_(experiments),
            RUNS.c.superseded_by.is_(None),
            RUNS.c.f1.is_not(None),
            JOBS.c.step.in_(list(BASES)),
        )
        .group_by(RUNS.c.experiment_id, JOBS.c.step)
    )
    best: dict[str, dict[str, Any]] = {}
    for experiment, step, mean, seeds in op.get_bind().execute(chosen):
        if experiment not in best or best[experiment]["mean"] < mean:
            best[experiment] = {"option": BASES[step], "mean": mean, "low": None, "high": None, "seeds": seeds}
    return best
