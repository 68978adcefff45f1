"""Statements that have nothing to do with any weakness."""

from collections.abc import Callable

from trainers.demo_data.draft import Block, Draft, Statement
from trainers.demo_data.names import CAPACITIES, LOOP_INDEXES, NOUNS


def distractor(draft: Draft) -> Statement:
    """Return one unrelated statement; it may declare its variables."""
    return draft.random.choice(DISTRACTORS)(draft)


def addition(draft: Draft) -> Statement:
    return f"{draft.counter()} = {draft.counter()} + {draft.random.randrange(1, 9)};"


def flag(draft: Draft) -> Statement:
    return f"{draft.counter()} |= {draft.pick(('1', '2', '4', '0x10'))};"


def clamp(draft: Draft) -> Statement:
    counter, limit = draft.counter(), draft.pick(CAPACITIES)
    return Block(head=f"if ({counter} > {limit})", body=(f"{counter} = {limit};",))


def choice(draft: Draft) -> Statement:
    first, second = draft.counter(), draft.counter()
    head = f"if ({first} == {draft.random.randrange(1, 9)})"
    return Block(head=head, body=(f"{second} = 0;",), otherwise=(f"{first}--;",))


def message(draft: Draft) -> Statement:
    return draft.log(f"{draft.pick(NOUNS)} %d", draft.counter())


def halving(draft: Draft) -> Statement:
    counter = draft.counter()
    return Block(head=f"while ({counter} > {draft.random.randrange(2, 9)})", body=(f"{counter} >>= 1;",))


def counting(draft: Draft) -> Statement:
    index = draft.name(LOOP_INDEXES)
    draft.declarations.append(f"int {index};")
    head = f"for ({index} = 0; {index} < {draft.pick(('4', '8', '16'))}; {index}++)"
    return Block(head=head, body=(f"{draft.counter()} += {index};",))


def early_end(draft: Draft) -> Statement:
    return Block(head=f"if ({draft.counter()} < 0)", body=(draft.leave,))


DISTRACTORS: tuple[Callable[[Draft], Statement], ...] = (
    addition,
    flag,
    clamp,
    choice,
    message,
    halving,
    counting,
    early_end,
)
