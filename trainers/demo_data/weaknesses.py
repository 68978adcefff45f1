"""Weaknesses of a pointer's life, of a string literal and of a number, each with its patched counterpart."""

from collections.abc import Callable
from dataclasses import dataclass

from trainers.demo_data.draft import Block, Draft, Statements, Twin, quoted
from trainers.demo_data.names import (
    BUFFERS,
    CAPACITIES,
    FIELDS,
    LENGTHS,
    LOOP_INDEXES,
    NOUNS,
    POINTERS,
    STRINGS,
    STRUCTS,
)
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


WIDTHS = (16, 32, 64, 128, 256)


def sql_text(draft: Draft) -> Twin:
    """CWE-89: a query with a bound parameter, or with the value pasted in."""
    text, buffer, noun = draft.parameter("const char *", STRINGS), draft.array(BUFFERS, "256"), draft.pick(NOUNS)
    column, extra = draft.pick(("id", "owner", "tag")), draft.pick(("", " limit 1", " order by id"))
    caller = draft.pick(("snprintf({b}, 256, {q}, {t});", "query({b}, {q}, {t});", "build_sql({b}, {q}, {t});"))

    def steps(value: str, other: str) -> tuple[str, ...]:
        query = quoted(f"select {noun} where {column}={value}{extra}")
        statement = caller.format(b=buffer, q=query, t=text)
        return draft_log.format(other), statement

    draft_log = draft.log(f"{noun} {{}}", text)
    return Twin(kind=Kind.SQL_TEXT, cwe=89, safe=steps("?", "'%s'"), vulnerable=steps("'%s'", "?"))


def weak_cipher(draft: Draft) -> Twin:
    """CWE-327: an algorithm that holds, or one that is broken."""
    text, noun = draft.parameter("const char *", STRINGS), draft.pick(NOUNS)
    result = draft.local("char *", BUFFERS, "NULL")
    weak, strong = draft.pick(("md5", "des", "rc4", "sha1")), draft.pick(("sha256", "aes", "sha512", "blake2"))
    getter = draft.pick(("get_cipher", "new_digest", "evp_by_name"))
    log = draft.log(f"{noun} {{}}", text)

    def steps(used: str, named: str) -> tuple[str, ...]:
        return log.format(named), f"{result} = {getter}({quoted(f'{noun} {used}')}, {text});"

    return Twin(kind=Kind.WEAK_CIPHER, cwe=327, safe=steps(strong, weak), vulnerable=steps(weak, strong))


def scan_width(draft: Draft) -> Twin:
    """CWE-121: a scan width that fits the buffer, or one that is larger."""
    text, noun = draft.parameter("const char *", STRINGS), draft.pick(NOUNS)
    small, large = sorted(draft.random.sample(WIDTHS, 2))
    buffer = draft.array(BUFFERS, str(small))
    log = draft.log(f"{noun} %{{}}s", text)

    def steps(scanned: int, logged: int) -> tuple[str, ...]:
        return log.format(logged - 1), f"sscanf({text}, {quoted(f'{noun}=%{scanned - 1}s')}, {buffer});"

    return Twin(kind=Kind.SCAN_WIDTH, cwe=121, safe=steps(small, large), vulnerable=steps(large, small))


LEXICAL: dict[Kind, Callable[[Draft], Twin]] = {
    Kind.SQL_TEXT: sql_text,
    Kind.WEAK_CIPHER: weak_cipher,
    Kind.SCAN_WIDTH: scan_width,
}


def narrow_product(draft: Draft) -> Twin:
    """CWE-190: the product of two lengths in a wide type and a flag in a narrow one, or the other way round."""
    text, size = draft.parameter("const char *", STRINGS), draft.parameter("size_t ", LENGTHS)
    product, plain, count = draft.name(LENGTHS), draft.name(LENGTHS), draft.name(LENGTHS)
    narrow, wide = draft.pick(("short", "unsigned short", "int")), draft.pick(("long", "unsigned long"))
    buffer = draft.name(BUFFERS)
    factors = draft.pick((f"{count} * {size}", f"{size} * {count}"))
    value = draft.pick((f"{text}[0]", "get_mode()", f"{text}[1] & 7"))
    read = f"int {count} = {draft.pick(('get_u16', 'get_u8'))}({text});"
    use = f"char *{buffer} = {draft.pick(('malloc', 'alloc_page'))}({product});"

    def steps(first: str, second: str) -> tuple[str, ...]:
        return read, f"{first} {product} = {factors};", f"{second} {plain} = {value};", use, f"stats_add({plain});"

    return Twin(kind=Kind.NARROW_PRODUCT, cwe=190, safe=steps(wide, narrow), vulnerable=steps(narrow, wide))


def off_by_one(draft: Draft) -> Twin:
    """CWE-787 or CWE-125: a loop over a buffer ends before its capacity or at it; another loop does the opposite."""
    capacity, text = draft.pick(CAPACITIES), draft.parameter("const char *", STRINGS)
    buffer = draft.array(BUFFERS, capacity)
    index = draft.name(LOOP_INDEXES)
    draft.declarations.append(f"int {index};")
    cwe = draft.random.choice((787, 125))
    access = f"{buffer}[{index}] = {text}[{index}];" if cwe == 787 else f"{draft.checksum()} += {buffer}[{index}];"
    harmless = f"stats_add({index});" if draft.random.random() < 0.5 else f"{draft.checksum()} += {index};"
    bound = draft.pick((capacity, f"sizeof({buffer})"))
    accesses_first = draft.random.random() < 0.5

    def steps(access_operator: str, other_operator: str) -> tuple[Block, ...]:
        head = "for ({0} = 0; {0} {1} {2}; {0}++)"
        loop = Block(head=head.format(index, access_operator, bound), body=(access,))
        other = Block(head=head.format(index, other_operator, bound), body=(harmless,))
        return (loop, other) if accesses_first else (other, loop)

    return Twin(kind=Kind.OFF_BY_ONE, cwe=cwe, safe=steps("<", "<="), vulnerable=steps("<=", "<"))


ARITHMETIC: dict[Kind, Callable[[Draft], Twin]] = {
    Kind.NARROW_PRODUCT: narrow_product,
    Kind.OFF_BY_ONE: off_by_one,
}
