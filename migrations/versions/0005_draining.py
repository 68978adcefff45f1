"""Draining: workers that take no more runs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("workers", sa.Column("draining", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Take the schema back to the revision before; every worker takes runs again."""
    with op.batch_alter_table("workers") as workers:
        workers.drop_column("draining")
