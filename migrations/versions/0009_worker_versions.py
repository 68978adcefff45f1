"""Workers' releases, and whether they have room for another run."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("workers", sa.Column("version", sa.String(40), nullable=True))
    op.add_column("workers", sa.Column("has_room", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Take the schema back to the revision before."""
    with op.batch_alter_table("workers") as workers:
        workers.drop_column("has_room")
        workers.drop_column("version")
