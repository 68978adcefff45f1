"""Experiments that a person has paused, and runs that are to go on as soon as they are paused."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision; no experiment is paused as a whole before."""
    op.add_column("experiments", sa.Column("paused_at", sa.Double(), nullable=True))
    op.add_column("runs", sa.Column("resume_requested", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Take the schema back to the revision before; paused runs stay paused."""
    op.drop_column("runs", "resume_requested")
    op.drop_column("experiments", "paused_at")
