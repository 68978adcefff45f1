"""Pages of lists: by keyset, under every order, at a cost that no filter and no length of the list can raise.

A page begins behind the last row of the page before, in the order of a column and then of ids. Rows without a value
come last in both directions. Conditions that no index answers (a part of a name, labels in JSON, the state of a job)
are asked of `LOOKED_AT` rows at most for one page: a page may therefore hold fewer rows than asked for, and still have
a next one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, overload

from sqlalchemy import ColumnElement, Select, and_, func, literal, null, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.store.tables import BundleRow, DatasetRow, ExperimentRow, JobRow, RunRow, UploadRow

# Rows that one page, or one count, looks at for conditions without an index: some 20 ms.
LOOKED_AT = 10_000
# A count goes no further.
MOST_COUNTED = 10_000
Listed = type[BundleRow] | type[DatasetRow] | type[ExperimentRow] | type[JobRow] | type[RunRow] | type[UploadRow]
OrderName = Literal["created", "name", "f1", "took"]
Value = str | float | None
T = TypeVar("T")
R = TypeVar("R")
# What a list can be sorted by besides its ids, which sort by age; each has an index together with the id.
ORDERS: Mapping[Listed, Mapping[str, InstrumentedAttribute[Any]]] = {
    DatasetRow: {"name": DatasetRow.name},
    ExperimentRow: {"name": ExperimentRow.name, "f1": ExperimentRow.best_f1, "took": ExperimentRow.took_s},
    JobRow: {"name": JobRow.name},
    RunRow: {"name": RunRow.name, "f1": RunRow.f1, "took": RunRow.took_s},
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order of a list.

    Args:
        by: What decides; of equal rows the ids do, in the same direction.
    """

    by: OrderName = "created"
    descending: bool = True


NEWEST_FIRST = Order()


@dataclass(frozen=True, kw_only=True)
class Position:
    """The place of a row in an order.

    Args:
        id: Of the row.
        value: What it is sorted by; None for none, and in the order of ids.
    """

    id: str
    value: Value = None


@dataclass(frozen=True, kw_only=True)
class PageOf:
    """One page of a list.

    Args:
        limit: Rows at most.
        after: Id of the row after which it begins.
        value: What that row is sorted by.
        order: Of the list.
        counted: Whether the rows of all pages are counted.
    """

    limit: int = 50
    after: str | None = None
    value: Value = None
    order: Order = NEWEST_FIRST
    counted: bool = False


FIRST_PAGE = PageOf()


@dataclass(frozen=True, kw_only=True)
class Matching:
    """The rows that match the filters of a list.

    Args:
        table: Of the rows.
        where: Conditions that an index answers, or that nearly every row meets.
        ranged: Conditions that an index answers in the order of ids alone.
        looked: Conditions that no index answers.
        named: Returns whether a row of this id and name matches; None: every row does.
    """

    table: Listed
    where: Sequence[ColumnElement[bool]] = ()
    ranged: Sequence[ColumnElement[bool]] = ()
    looked: Sequence[ColumnElement[bool]] = ()
    named: Callable[[str, str | None], bool] | None = None

    @property
    def bounded(self) -> bool:
        """Whether rows are looked at one by one."""
        return bool(self.looked) or self.named is not None

    def under(self, order: Order) -> "Matching":
        """Return the same rows with every condition where this order has it."""
        if order.by == "created":
            return replace(self, where=[*self.where, *self.ranged], ranged=())
        # In another order the database would go through every row until it has found enough.
        return replace(self, looked=[*self.looked, *self.ranged], ranged=())


class Found(Sequence[T]):
    """The rows of a page, in order.

    Args:
        rows: The rows.
        after: Where the next page begins; None: this was the last one.
        total: Rows on all pages, `MOST_COUNTED` for that many or more; None: not asked for, or too many to look at.
    """

    def __init__(self, rows: Sequence[T], *, after: Position | None = None, total: int | None = None) -> None:
        self._rows = rows
        self.after = after
        self.total = total

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, things: Mapping[T, R]) -> "Found[R]":
        """Return the page with these things in place of its rows.

        Args:
            things: By row.
        """
        return Found([things[row] for row in self._rows], after=self.after, total=self.total)


def find_page(session: Session, wanted: Matching, page: PageOf) -> Found[str]:
    """Return the ids of a page, in order; one statement, or two under an order by what rows may lack.

    Args:
        session: An open transaction.
        wanted: The rows of the list.
        page: The page.
    """
    matching = wanted.under(page.order)
    ids: list[str] = []
    looked, last = 0, None
    for chosen in _statements(matching, page):
        left = LOOKED_AT - looked if matching.bounded else page.limit - len(ids)
        for row in session.execute(chosen.limit(left)):
            looked, last = looked + 1, Position(id=row.id, value=row.value)
            if _admits(matching, row):
                ids.append(row.id)
            if len(ids) == page.limit:
                return Found(ids, after=last, total=_total(session, wanted, page))
    goes_on = matching.bounded and looked == LOOKED_AT
    return Found(ids, after=last if goes_on else None, total=_total(session, wanted, page))


def rows_of(session: Session, table: type[R], found: Found[str]) -> Found[R]:
    """Return the rows of a page of ids, in the same order.

    Args:
        session: The transaction that has found it.
        table: Of the rows.
        found: The page of ids.
    """
    key: Any = table
    rows: Any = session.scalars(select(table).where(key.id.in_(list(found))))
    return found.of({row.id: row for row in rows})


def _statements(matching: Matching, page: PageOf) -> Iterator[Select[Any]]:
    """Yield the selections whose rows, one after the other, are those behind the page's beginning."""
    key: Any = matching.table.id
    column = ORDERS.get(matching.table, {}).get(page.order.by)
    chosen = _columns(matching, column).where(*matching.where)
    after = page.after
    if column is None:
        behind = chosen if after is None else chosen.where(_beyond(key, after, page.order))
        yield behind.order_by(_directed(key, page.order))
        return
    ordered = chosen.order_by(_directed(column, page.order), _directed(key, page.order))
    nullable = bool(column.property.columns[0].nullable)
    if after is None or page.value is not None:
        with_value = ordered.where(column.is_not(None)) if nullable else ordered
        pair = tuple_(column, key)
        yield with_value if after is None else with_value.where(_beyond(pair, (page.value, after), page.order))
    if nullable:
        without = ordered.where(column.is_(None))
        yield without if after is None or page.value is not None else without.where(_beyond(key, after, page.order))


def _columns(matching: Matching, column: InstrumentedAttribute[Any] | None) -> Select[Any]:
    table: Any = matching.table
    return select(
        table.id.label("id"),
        (null() if column is None else column).label("value"),
        (null() if matching.named is None else table.name).label("name"),
        (and_(*matching.looked) if matching.looked else literal(True)).label("admitted"),
    )


def _beyond(key: Any, value: Any, order: Order) -> ColumnElement[bool]:
    beyond: ColumnElement[bool] = key < value if order.descending else key > value
    return beyond


def _directed(column: Any, order: Order) -> Any:
    return column.desc() if order.descending else column.asc()


def _admits(matching: Matching, row: Any) -> bool:
    return bool(row.admitted) and (matching.named is None or matching.named(row.id, row.name))


def _total(session: Session, wanted: Matching, page: PageOf) -> int | None:
    if not page.counted:
        return None
    matching = wanted.under(NEWEST_FIRST)
    chosen = _columns(matching, None).where(*matching.where)
    if not matching.bounded:
        some = chosen.limit(MOST_COUNTED).subquery()
        return session.scalars(select(func.count()).select_from(some)).one()
    rows = session.execute(chosen.limit(LOOKED_AT + 1)).all()
    return None if len(rows) > LOOKED_AT else sum(_admits(matching, row) for row in rows)
