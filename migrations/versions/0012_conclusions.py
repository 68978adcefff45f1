"""Conclusions of experiments; what decisions knew, and who overruled them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
DECISIONS = sa.table(
    "decisions",
    sa.column("experiment_id", sa.String),
    sa.column("stage", sa.String),
    sa.column("taken_at", sa.Double),
    sa.column("overruling", JSON),
)
EVENTS = sa.table(
    "events",
    sa.column("id", sa.BigInteger),
    sa.column("experiment_id", sa.String),
    sa.column("kind", sa.String),
    sa.column("body", JSON),
)


def upgrade() -> None:
    """Bring the schema to this revision; overrulings are copied to their decisions.

    Conclusions of experiments that have ended are computed by the reconciler, and until then whenever they are read.
    """
    op.add_column("experiments", sa.Column("outcome", sa.String(length=40), nullable=True))
    op.add_column("experiments", sa.Column("conclusion", JSON, nullable=True))
    op.add_column("experiments", sa.Column("concluded_at", sa.Double(), nullable=True))
    op.create_index("ix_experiments_outcome", "experiments", ["outcome", "id"])
    op.add_column("decisions", sa.Column("known", JSON, nullable=True))
    op.add_column("decisions", sa.Column("overruling", JSON, nullable=True))
    _copy_overrulings()


def _copy_overrulings() -> None:
    connection = op.get_bind()
    for experiment_id, stage, taken_at in connection.execute(
        sa.select(DECISIONS.c.experiment_id, DECISIONS.c.stage, DECISIONS.c.taken_at)
    ).all():
        chosen = sa.select(EVENTS.c.body).where(EVENTS.c.experiment_id == experiment_id, EVENTS.c.kind == "overruled")
        found = connection.scalars(chosen.order_by(EVENTS.c.id)).all()
        kept = [body for body in found if body["stage"] == stage and body["at"] >= taken_at]
        if kept:
            of_it = (DECISIONS.c.experiment_id == experiment_id, DECISIONS.c.stage == stage)
            connection.execute(sa.update(DECISIONS).where(*of_it).values(overruling=kept[-1]))


def downgrade() -> None:
    """Take the schema back to the revision before; conclusions can be computed again, what decisions knew is lost."""
    op.drop_column("decisions", "overruling")
    op.drop_column("decisions", "known")
    op.drop_index("ix_experiments_outcome", "experiments")
    op.drop_column("experiments", "concluded_at")
    op.drop_column("experiments", "conclusion")
    op.drop_column("experiments", "outcome")
