"""Principals with immutable ids own what people make, and an audit log names who changed what."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from ulid import ULID

from service.store.database import now_s

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Of requests without a token, of the settings' token, of commands on the database, of the service itself.
FIXED = {f"pri_{number:026}": name for number, name in enumerate(("local", "token", "console", "system"), start=1)}
HAD_OWNER = ("experiments", "jobs", "runs")
HAD_NONE = ("datasets", "bundles", "webhooks")
# Their first owner is that of the job that made them.
MADE_BY = {
    "datasets": "jobs.dataset_id = datasets.id AND jobs.cell = 'prepare'",
    "bundles": "jobs.id = bundles.job_id",
}


def upgrade() -> None:
    """Bring the schema to this revision; each name that owns something becomes one principal."""
    if op.get_bind().dialect.name == "postgresql":
        # In the order in which claims and other transactions of running processes lock them, before anything else.
        op.execute("LOCK TABLE workers, runs, jobs, experiments IN ACCESS EXCLUSIVE MODE")
    _create_tables()
    for table in HAD_NONE:
        op.add_column(table, sa.Column("owner", sa.String(length=80), nullable=True))
    for table in (*HAD_OWNER, *HAD_NONE, "idempotency_keys"):
        op.add_column(table, sa.Column("owner_id", sa.String(length=40), nullable=True))
    op.add_column("tokens", sa.Column("principal_id", sa.String(length=40), nullable=True))
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    _fill()


def _create_tables() -> None:
    op.create_table(
        "principals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_principals"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("principal_id", sa.String(length=40), nullable=False),
        sa.Column("principal", sa.String(length=80), nullable=False),
        sa.Column("token_id", sa.String(length=40), nullable=True),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=True),
        sa.Column("object_id", sa.String(length=200), nullable=True),
        sa.Column("address", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        # An id is never used again, whatever retention has removed.
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_principal_id", "audit", ["principal_id", "id"])
    op.create_index("ix_audit_object_id", "audit", ["object_id", "id"])


def _fill() -> None:
    connection = op.get_bind()
    names = " UNION ".join(f"SELECT owner AS name FROM {table}" for table in HAD_OWNER)
    found = connection.scalars(sa.text(f"{names} UNION SELECT name FROM tokens"))
    others = sorted({name for name in found if name is not None} - set(FIXED.values()))
    ids = {**FIXED, **{f"pri_{ULID()}": name for name in others}}
    at = connection.scalar(sa.select(now_s()))
    rows: list[dict[str, Any]] = [{"id": key, "name": name, "created_at": at} for key, name in ids.items()]
    principals = sa.table("principals", sa.column("id"), sa.column("name"), sa.column("created_at"))
    op.bulk_insert(principals, rows)
    for table in HAD_OWNER:
        op.execute(f"UPDATE {table} SET owner_id = ({_named(f'{table}.owner')}) WHERE owner IS NOT NULL")
    op.execute(f"UPDATE tokens SET principal_id = ({_named('tokens.name')})")
    for table, maker in MADE_BY.items():
        for column in ("owner", "owner_id"):
            made_by = f"SELECT jobs.{column} FROM jobs WHERE {maker} ORDER BY jobs.id LIMIT 1"
            op.execute(f"UPDATE {table} SET {column} = ({made_by})")


def _named(name: str) -> str:
    return f"SELECT principals.id FROM principals WHERE principals.name = {name}"


def downgrade() -> None:
    """Take the schema back to the revision before; who owns what is known by name only, and the audit log is lost."""
    op.drop_index("ix_idempotency_keys_created_at", "idempotency_keys")
    op.drop_column("tokens", "principal_id")
    for table in (*HAD_OWNER, *HAD_NONE, "idempotency_keys"):
        op.drop_column(table, "owner_id")
    for table in HAD_NONE:
        op.drop_column(table, "owner")
    op.drop_table("audit")
    op.drop_table("principals")
