"""What makes each generated function vulnerable, read off its statements."""

from random import Random

import pytest

from trainers.demo_data.draft import Block, Draft, Statement, Statements
from trainers.demo_data.guarded import ARRANGEMENTS as GUARDED
from trainers.demo_data.guarded import Site
from trainers.demo_data.resources import Resource
from trainers.demo_data.shares import Kind
from trainers.demo_data.weaknesses import ARRANGEMENTS as LIFETIME
from trainers.demo_data.weaknesses import Life, narrow_product, off_by_one, scan_width, sql_text, weak_cipher

pytestmark = pytest.mark.unit

SEEDS = range(20)
INDEX = Resource(
    cwe=787,
    names=("idx", "pos"),
    type="size_t ",
    source="get()",
    unsafe="{v} >= 8",
    use="buf[{v}] = 0;",
    change="{v} = get();",
    touch="note({v});",
)


def draft_of(seed: int) -> Draft:
    draft = Draft(Random(seed))
    draft.leave = "return -1;"
    return draft


def reaches(statements: Statements, *, danger: str, cures: set[str], poisons: set[str], tainted: bool) -> bool:
    """Walk straight down: does `danger` run while the variable is tainted?

    A cure is a head whose body leaves, or a plain statement, that makes the variable safe; a poison taints it.
    """
    for statement in statements:
        if isinstance(statement, Block):
            if statement.head in cures and statement.body == ("return -1;",):
                tainted = False
            elif "return -1;" not in statement.body and poisons & set(plain(statement.body)):
                tainted = True
        elif statement == danger and tainted:
            return True
        elif statement in poisons:
            tainted = True
        elif statement in cures:
            tainted = False
    return False


def plain(statements: Statements) -> list[str]:
    return [statement for statement in statements if isinstance(statement, str)]


@pytest.mark.parametrize("kind", GUARDED)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_vulnerable_member_reaches_the_use_unchecked_and_the_patched_one_does_not(kind: Kind, seed: int) -> None:
    site = Site(draft=draft_of(seed), resource=INDEX, variable="idx", other="pos")

    members = GUARDED[kind](site)

    reached = [
        reaches(body, danger="buf[idx] = 0;", cures={"if (idx >= 8)"}, poisons={"idx = get();"}, tainted=True)
        for body in members
    ]
    assert reached == [False, True]


# A second free in place of the use would come before the first one just as wrongly.
LIVES = [
    (kind, use)
    for kind in LIFETIME
    for use in ("item->len = 0;", "free(item);")
    if (kind, use) != (Kind.USE_AFTER_FREE, "free(item);")
]


@pytest.mark.parametrize(("kind", "use"), LIVES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_vulnerable_member_uses_a_freed_pointer_and_the_patched_one_does_not(
    kind: Kind, use: str, seed: int
) -> None:
    life = Life(draft=draft_of(seed), struct="node", pointer="item", other="req", release="free", use=use)

    members = LIFETIME[kind](life)

    assert [uses_freed(body, use) for body in members] == [False, True]


def uses_freed(body: Statements, use: str) -> bool:
    *before, last = body if body[-1] == use else (*body, "")
    freed = False
    for statement in before:
        freed = freed_after(statement, freed)
        if statement == use and use != "free(item);" and freed:
            return True
    return freed and last == use


def freed_after(statement: Statement, freed: bool) -> bool:
    if isinstance(statement, Block):
        return freed or ("free(item);" in statement.body and "return -1;" not in statement.body)
    if statement == "item = alloc_node();":
        return False
    return freed or statement == "free(item);"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_loop_over_the_buffer_ends_at_its_capacity_only_in_the_vulnerable_member(seed: int) -> None:
    twin = off_by_one(draft_of(seed))

    for body, operator in ((twin.safe, "<"), (twin.vulnerable, "<=")):
        [loop] = [block for block in body if isinstance(block, Block) and "[" in plain(block.body)[0]]
        assert f" {operator} " in loop.head


@pytest.mark.parametrize("seed", SEEDS)
def test_the_product_is_narrow_only_in_the_vulnerable_member(seed: int) -> None:
    twin = narrow_product(draft_of(seed))

    for body, wide in ((twin.safe, True), (twin.vulnerable, False)):
        [product] = [line for line in plain(body) if " * " in line and "malloc" not in line]
        assert ("long " in product) is wide


@pytest.mark.parametrize("seed", SEEDS)
def test_the_evidence_of_lexical_kinds_stands_in_the_last_call(seed: int) -> None:
    query, cipher = sql_text(draft_of(seed)), weak_cipher(draft_of(seed))

    assert "'%s'" in plain(query.vulnerable)[-1]
    assert "'%s'" not in plain(query.safe)[-1]
    weak = ("md5", "des", "rc4", "sha1")
    assert any(f" {name}" + '"' in plain(cipher.vulnerable)[-1] for name in weak)
    assert not any(f" {name}" + '"' in plain(cipher.safe)[-1] for name in weak)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_scan_fits_the_buffer_only_in_the_patched_member(seed: int) -> None:
    draft = draft_of(seed)
    twin = scan_width(draft)
    [declaration] = draft.declarations
    capacity = int(declaration.split("[")[1].rstrip("];"))

    fits, too_wide = (int(plain(body)[-1].split("=%")[1].split("s")[0]) for body in (twin.safe, twin.vulnerable))

    # One byte stays for the terminator.
    assert fits + 1 <= capacity < too_wide + 1
