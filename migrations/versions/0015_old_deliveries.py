"""An index by which old deliveries are found."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_index("ix_deliveries_created_at", "deliveries")
