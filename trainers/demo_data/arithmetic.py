"""Weaknesses of a number: a product in a type that is too narrow, a loop that takes one step too many."""

from collections.abc import Callable

from trainers.demo_data.draft import Block, Draft, Twin
from trainers.demo_data.names import BUFFERS, CAPACITIES, LENGTHS, LOOP_INDEXES, STRINGS
from trainers.demo_data.shares import Kind


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
