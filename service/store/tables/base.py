"""What all tables share: the root, the types of columns, and the names of constraints."""

from typing import Any, cast

from sqlalchemy import JSON, BigInteger, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
Json = JSON().with_variant(JSONB(), "postgresql")
# SQLite counts rowids up only in an INTEGER PRIMARY KEY.
Counter = BigInteger().with_variant(Integer(), "sqlite")
Id = String(40)
Word = String(40)
Owner = String(80)  # name of the principal that made it, for people; `owner_id` decides


class Base(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012 - read by SQLAlchemy


def table_of(row: type[Base]) -> Table:
    """Return the table of a kind of row: a statement on it costs a third of one through the ORM."""
    return cast(Table, row.__table__)
