"""Runs that reuse an equal one's result; experiments that extend another one."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision; runs of before have no key and are never reused."""
    op.add_column("runs", sa.Column("fresh", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("runs", sa.Column("reuse_key", sa.String(length=80), nullable=True))
    op.add_column("runs", sa.Column("reused_from", sa.String(length=40), nullable=True))
    op.create_index("ix_runs_reuse_key", "runs", ["reuse_key"])
    op.create_index("ix_runs_reused_from", "runs", ["reused_from"])
    op.add_column("experiments", sa.Column("extends", sa.String(length=40), nullable=True))
    op.create_index("ix_experiments_extends", "experiments", ["extends"])


def downgrade() -> None:
    """Take the schema back to the revision before; a reused run keeps its result and the folder that has its files."""
    op.drop_index("ix_experiments_extends", "experiments")
    op.drop_column("experiments", "extends")
    op.drop_index("ix_runs_reused_from", "runs")
    op.drop_index("ix_runs_reuse_key", "runs")
    for column in ("reused_from", "reuse_key", "fresh"):
        op.drop_column("runs", column)
