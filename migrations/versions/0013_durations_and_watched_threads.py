"""Durations in place of differences of clocks; circuits of webhooks; deaths of watched threads."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ADDED: dict[str, tuple[tuple[str, sa.types.TypeEngine[Any], str | None], ...]] = {
    "runs": (
        ("renewals", sa.Integer(), "0"),
        ("lease_s", sa.Double(), None),
        ("running_s", sa.Double(), None),
        ("queued_uptime_s", sa.Double(), None),
    ),
    "attempts": (("duration_s", sa.Double(), None),),
    "jobs": (("served_turn", sa.BigInteger(), None),),
    "experiments": (("served_turn", sa.BigInteger(), None),),
    "workers": (("seen_heartbeat_at", sa.Double(), None), ("seen_uptime_s", sa.Double(), None)),
    "webhooks": (("failures", sa.Integer(), "0"), ("probe_at", sa.Double(), None)),
    "deliveries": (("created_uptime_s", sa.Double(), None),),
}
# Each claim looks up the last turn.
TAKE_TURNS = ("jobs", "experiments")


def upgrade() -> None:
    """Bring the schema to this revision."""
    for table, columns in ADDED.items():
        for name, kind, default in columns:
            op.add_column(table, sa.Column(name, kind, server_default=default, nullable=default is None))
    for table in TAKE_TURNS:
        op.create_index(f"ix_{table}_served_turn", table, ["served_turn"])
    uptime = op.create_table(
        "uptime",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uptime"),
    )
    op.bulk_insert(uptime, [{"id": 1, "seconds": 0.0}])
    op.create_table(
        "watched_threads",
        sa.Column("process", sa.String(length=40), nullable=False),
        sa.Column("thread", sa.String(length=80), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=80), nullable=False),
        sa.Column("died_at", sa.Double(), nullable=False),
        sa.Column("died_uptime_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("process", "thread", name="pk_watched_threads"),
    )


def downgrade() -> None:
    """Take the schema back to the revision before."""
    op.drop_table("watched_threads")
    op.drop_table("uptime")
    for table in TAKE_TURNS:
        op.drop_index(f"ix_{table}_served_turn", table)
    for table, columns in reversed(ADDED.items()):
        with op.batch_alter_table(table) as altered:
            for name, _, _ in reversed(columns):
                altered.drop_column(name)
