"""Names, notes, labels and archiving; uploads as rows; files to be removed; measured storage."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NAMED = ("jobs", "runs", "bundles")
LABELLED = ("datasets", *NAMED)
DESCRIBED = ("experiments", *LABELLED)


def upgrade() -> None:
    """Bring the schema to this revision."""
    for table in DESCRIBED:
        op.add_column(table, sa.Column("note", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("archived_at", sa.Double(), nullable=True))
    for table in LABELLED:
        op.add_column(table, sa.Column("labels", JSON, nullable=True))
    for table in NAMED:
        op.add_column(table, sa.Column("name", sa.String(length=200), nullable=True))
    op.add_column("bundles", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("runs", sa.Column("metrics_thinned_at", sa.Double(), nullable=True))
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=80), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("archived_at", sa.Double(), nullable=True),
        sa.Column("labels", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.UniqueConstraint("path", name="uq_uploads_path"),
    )
    op.create_table(
        "removals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("removed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_removals"),
    )
    op.create_table(
        "storage",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("measured_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "owner", name="pk_storage"),
    )


def downgrade() -> None:
    """Take the schema back to the revision before; metadata is lost, and files that wait for removal stay."""
    for table in ("storage", "removals", "uploads"):
        op.drop_table(table)
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("metrics_thinned_at")
    with op.batch_alter_table("bundles") as bundles:
        bundles.drop_column("version")
    for table in NAMED:
        with op.batch_alter_table(table) as rows:
            rows.drop_column("name")
    for table in LABELLED:
        with op.batch_alter_table(table) as rows:
            rows.drop_column("labels")
    for table in DESCRIBED:
        with op.batch_alter_table(table) as rows:
            rows.drop_column("archived_at")
            rows.drop_column("note")
