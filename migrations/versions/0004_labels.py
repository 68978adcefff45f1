"""Labels: what experiments are found by."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "labels",
        sa.Column("experiment_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("value", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name="fk_labels_experiment_id_experiments"),
        sa.PrimaryKeyConstraint("experiment_id", "key", name="pk_labels"),
    )
    op.create_index("ix_labels_value", "labels", ["key", "value", "experiment_id"])


def downgrade() -> None:
    """Take the schema back to the revision before; labels are lost."""
    op.drop_table("labels")
