"""Indexes by which the reconciler and the quotas find the few runs that they look for among all that wait."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_index("ix_runs_dispatched_at", "runs", ["state", "dispatched_at"])
    op.create_index("ix_runs_queued_uptime_s", "runs", ["state", "queued_uptime_s"])
    op.create_index("ix_runs_owner_state", "runs", ["owner_id", "state"])
    op.create_index("ix_jobs_queue_timeout_s", "jobs", ["queue_timeout_s"])


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_index("ix_jobs_queue_timeout_s", "jobs")
    op.drop_index("ix_runs_owner_state", "runs")
    op.drop_index("ix_runs_queued_uptime_s", "runs")
    op.drop_index("ix_runs_dispatched_at", "runs")
