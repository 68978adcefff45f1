"""Indexes for runs by cell and state, and by owner and state, in the order of pages."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_index("ix_runs_cell_state", "runs", ["cell", "state", "id"])
    op.drop_index("ix_runs_owner_state", "runs")
    op.create_index("ix_runs_owner_state", "runs", ["owner_id", "state", "id"])


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_index("ix_runs_owner_state", "runs")
    op.create_index("ix_runs_owner_state", "runs", ["owner_id", "state"])
    op.drop_index("ix_runs_cell_state", "runs")
