"""Which index a query is to use, where SQLite would choose a bad one.

SQLite keeps no statistics here: it takes every equality for about as selective as any other, also that of a state which
nearly all rows have. PostgreSQL knows better, and is told nothing.

Source:
    The SQLite query optimizer overview, section 2: a unary `+` keeps a term from an index.
"""

from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class by_no_index(FunctionElement[str]):
    """A column of text whose index is not used on SQLite; another condition of the query finds the rows."""

    type = String()
    inherit_cache = True


@compiles(by_no_index)
def _plain(element: by_no_index, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(by_no_index, "sqlite")
def _kept_from_an_index(element: by_no_index, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
