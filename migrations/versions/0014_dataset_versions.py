"""Versions of data sets of one name; jobs without a data set."""

from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

DATASETS = sa.table(
    "datasets", sa.column("id", sa.String), sa.column("name", sa.String), sa.column("name_version", sa.Integer)
)
# What refers to runs.
OF_RUNS = ("attempts", "events", "metrics", "logs")
ALONE = "SELECT id FROM jobs WHERE dataset_id IS NULL"


def upgrade() -> None:
    """Bring the schema to this revision; data sets of one name are numbered by age."""
    op.add_column("datasets", sa.Column("name_version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_index("ix_datasets_name", "datasets", ["name"])
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("dataset_id", existing_type=sa.String(length=40), nullable=True)
    connection = op.get_bind()
    numbers: Counter[str] = Counter()
    for dataset_id, name in connection.execute(sa.select(DATASETS.c.id, DATASETS.c.name).order_by(DATASETS.c.id)).all():
        numbers[name] += 1
        if numbers[name] > 1:
            of_it = DATASETS.c.id == dataset_id
            connection.execute(sa.update(DATASETS).where(of_it).values(name_version=numbers[name]))


def downgrade() -> None:
    """Take the schema back to the revision before; inspections are lost with their runs."""
    connection = op.get_bind()
    for table in OF_RUNS:
        runs = f"SELECT id FROM runs WHERE job_id IN ({ALONE})"
        connection.execute(sa.text(f"DELETE FROM {table} WHERE run_id IN ({runs})"))
    connection.execute(sa.text(f"DELETE FROM runs WHERE job_id IN ({ALONE})"))
    connection.execute(sa.text("DELETE FROM jobs WHERE dataset_id IS NULL"))
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("dataset_id", existing_type=sa.String(length=40), nullable=False)
    op.drop_index("ix_datasets_name", "datasets")
    with op.batch_alter_table("datasets") as datasets:
        datasets.drop_column("name_version")
