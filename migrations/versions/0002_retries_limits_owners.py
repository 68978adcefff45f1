"""Retries, time limits, owners, and turns: what a run's place in the queue depends on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CURRENT = sa.text("superseded_by IS NULL")


def upgrade() -> None:
    """Bring the schema to this revision."""
    for table in ("experiments", "jobs"):
        op.add_column(table, sa.Column("owner", sa.String(length=80), nullable=True))
        op.add_column(table, sa.Column("served_at", sa.Double(), nullable=True))
    op.add_column("jobs", sa.Column("queue_timeout_s", sa.Double(), nullable=True))
    op.add_column("jobs", sa.Column("timeout_s", sa.Double(), nullable=True))
    op.add_column("runs", sa.Column("owner", sa.String(length=80), nullable=True))
    op.add_column("runs", sa.Column("superseded_by", sa.String(length=40), nullable=True))
    op.add_column("runs", sa.Column("queued_at", sa.Double(), nullable=True))
    op.execute("UPDATE runs SET queued_at = created_at")
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("queued_at", existing_type=sa.Double(), nullable=False)
        runs.drop_constraint("uq_runs_job_seed", type_="unique")
    op.create_index(
        "uq_runs_current", "runs", ["job_id", "seed"], unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT
    )


def downgrade() -> None:
    """Take the schema back to the revision before; runs that were tried again cannot be kept beside their successor."""
    op.drop_index("uq_runs_current", "runs")
    for table in ("attempts", "events", "logs", "metrics"):
        op.execute(f"DELETE FROM {table} WHERE run_id IN (SELECT id FROM runs WHERE superseded_by IS NOT NULL)")
    op.execute("DELETE FROM runs WHERE superseded_by IS NOT NULL")
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("queued_at")
        runs.drop_column("superseded_by")
        runs.drop_column("owner")
        runs.create_unique_constraint("uq_runs_job_seed", ["job_id", "seed"])
    for column in ("timeout_s", "queue_timeout_s"):
        op.drop_column("jobs", column)
    for table in ("jobs", "experiments"):
        op.drop_column(table, "served_at")
        op.drop_column(table, "owner")
