"""Bundles: what was packed of an experiment."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "bundles",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("experiment_id", sa.String(length=40), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name="fk_bundles_experiment_id_experiments"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_bundles_job_id_jobs"),
        sa.PrimaryKeyConstraint("id", name="pk_bundles"),
    )
    op.create_index("ix_bundles_experiment_id", "bundles", ["experiment_id"])


def downgrade() -> None:
    """Take the schema back to the revision before; what was packed is not known any more."""
    op.drop_table("bundles")
