"""Weaknesses of a pointer's life: used or freed again after it was freed."""

from collections.abc import Callable
from dataclasses import dataclass

from trainers.demo_data.draft import Block, Draft, Statements, Twin
from trainers.demo_data.names import FIELDS, POINTERS, STRUCTS
from trainers.demo_data.shares import Kind

USE_AFTER_FREE, DOUBLE_FREE = 416, 415


@dataclass(frozen=True, kw_only=True)
class Life:
    """Two pointers to the same struct, of which the first is used."""

    draft: Draft
    struct: str
    pointer: str
    other: str
    release: str
    use: str

    def free(self, pointer: str) -> str:
        """Write the statement that ends `pointer`'s life."""
        return f"{self.release}({pointer});"


def lifetime(kind: Kind, draft: Draft) -> Twin:
    """Return a twin whose members differ in what a pointer goes through before its use.

    Args:
        kind: A key of `ARRANGEMENTS`.
        draft: Receives the parameters.
    """
    struct = draft.pick(STRUCTS)
    pointer, other = (draft.parameter(f"struct {struct} *", POINTERS) for _ in range(2))
    if draft.random.random() < 0.5:
        pointer, other = other, pointer
    release = draft.pick(("free", "kfree", f"{struct}_put"))
    # Freed twice in the safe order would still be freed twice, so order knows uses only.
    cwe = USE_AFTER_FREE if kind is Kind.USE_AFTER_FREE else draft.random.choice((USE_AFTER_FREE, DOUBLE_FREE))
    use = f"{release}({pointer});" if cwe == DOUBLE_FREE else field_use(draft, pointer)
    life = Life(draft=draft, struct=struct, pointer=pointer, other=other, release=release, use=use)
    safe, vulnerable = ARRANGEMENTS[kind](life)
    return Twin(kind=kind, cwe=cwe, safe=safe, vulnerable=vulnerable)


def field_use(draft: Draft, pointer: str) -> str:
    """Return a statement that reads or writes through `pointer`."""
    field = draft.pick(FIELDS)
    if draft.random.random() < 0.3:
        return f"{draft.checksum()} += {pointer}->{field};"
    return draft.pick((f"{pointer}->{field} = 0;", f"{pointer}->{field}++;"))


def use_after_free(life: Life) -> tuple[Statements, Statements]:
    """Used before it is freed, or after."""
    between = f"list_note({life.other});"
    free = life.free(life.pointer)
    return (life.use, between, free), (free, between, life.use)


def free_goes_on(life: Life) -> tuple[Statements, Statements]:
    """The branch that frees leaves, or goes on to the use; another branch does the opposite."""
    counter, log, free = life.draft.counter(), life.draft.log("dropped"), life.free(life.pointer)
    first = f"if ({counter} < {life.draft.pick(('0', '1', '3'))})"
    second = f"if ({counter} == {life.draft.pick(('5', '7', '9'))})"
    leave = life.draft.leave
    safe = (Block(head=first, body=(free, leave)), Block(head=second, body=(log,)), life.use)
    return safe, (Block(head=first, body=(free, log)), Block(head=second, body=(leave,)), life.use)


def wrong_free(life: Life) -> tuple[Statements, Statements]:
    """The other pointer is freed, or the one that is still used."""
    safe = (f"list_note({life.pointer});", life.free(life.other), life.use)
    return safe, (f"list_note({life.other});", life.free(life.pointer), life.use)


def new_after_free(life: Life) -> tuple[Statements, Statements]:
    """Given a new object after the free, or before it."""
    renew, free = f"{life.pointer} = alloc_{life.struct}();", life.free(life.pointer)
    return (free, renew, life.use), (renew, free, life.use)


ARRANGEMENTS: dict[Kind, Callable[[Life], tuple[Statements, Statements]]] = {
    Kind.USE_AFTER_FREE: use_after_free,
    Kind.FREE_GOES_ON: free_goes_on,
    Kind.WRONG_FREE: wrong_free,
    Kind.NEW_AFTER_FREE: new_after_free,
}
