"""The last version that data sets of a name were given, deleted ones among them."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision; numbers of data sets that were deleted before are not known."""
    op.create_table(
        "dataset_names",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_dataset_names"),
    )
    known = "SELECT name, max(name_version) FROM datasets GROUP BY name"
    op.get_bind().execute(sa.text(f"INSERT INTO dataset_names (name, last_version) {known}"))


def downgrade() -> None:
    """Take the schema back to the revision before; numbers of deleted data sets may be given again."""
    op.drop_table("dataset_names")
