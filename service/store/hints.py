"""Which index a query is to use, where SQLite would choose a bad one.

SQLite keeps no statistics here: it takes every equality for about as selective as any other, also that of a state which
nearly all rows have. PostgreSQL knows better, and is not kept from a good plan.
"""

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute


def by_no_index(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """Return the column as a value that no index has; another condition of the query finds the rows."""
    return column.concat("")
